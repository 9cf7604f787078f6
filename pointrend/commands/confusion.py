"""List the pairs of classes that a scored run confuses most often, by pixels of all val images.

One line per pair: true class, predicted class, share of the true class's pixels, number of pixels.

examples:
  pointrend confusion voc_r50 --seed 0
  pointrend --scale paper confusion voc_r50 --released --top 50
"""

from __future__ import annotations

import argparse

from pointrend.commands.arguments import add_run, add_seed
from pointrend.datasets.registry import classes_of
from pointrend.evaluation.mistaken import mistaken
from pointrend.settings.project import Project
from pointrend.terminal import table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    add_run(parser)
    which = parser.add_mutually_exclusive_group()
    add_seed(which)
    which.add_argument("--released", action="store_true", help="the released weights instead of a training")
    parser.add_argument("--top", type=_count, default=20, metavar="N", help="number of pairs; default 20")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Print the pairs of one score."""
    setting = project.setting(arguments.run)
    released = arguments.released
    folder = project.released_folder(setting.run) if released else project.run_folder(setting.run, arguments.seed)
    pairs = mistaken(folder, classes_of(setting.dataset).names, arguments.top)
    rows = [(pair.truth, pair.predicted, f"{pair.percent:.2f}", f"{pair.pixels:,}") for pair in pairs]
    print(table([("truth", "predicted", "% of truth", "pixels"), *rows], "<<>"))


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)
