"""Compare two scored runs: what they were made with, scores, last losses, and the IoU of every class.

Each of the two is RUN or RUN:SEED of the current scale, RUN:released, or the folder of a run, also of another scale or
checkout. The interval is that of the difference in mIoU if there were other validation images, for these two sets of
weights; how far two trainings of one recipe differ is another question.

examples:
  pointrend diff voc_r50:0 voc_r50:1
  pointrend diff voc_r50 ../other/runs/demo/voc_r50-s0
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pointrend.errors import ParamsError
from pointrend.results.diff import Side, diff_text
from pointrend.settings.params import typed_seed
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    for name in ("A", "B"):
        parser.add_argument(name.lower(), metavar=name, help="RUN, RUN:SEED, RUN:released or a folder")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Print the comparison."""
    print(diff_text(*(Side.read(_folder(project, text)) for text in (arguments.a, arguments.b))))


def _folder(project: Project, text: str) -> Path:
    """The folder that is meant; raises ParamsError where it is none of the forms."""
    name, _, seed = text.partition(":")
    if name not in project.params.runs and Path(text).is_dir():
        return Path(text)
    run = project.params.known("run or folder", name, project.params.runs)
    if seed == "released":
        return project.released_folder(run)
    try:
        return project.run_folder(run, typed_seed(seed or "0"))
    except ValueError as problem:
        raise ParamsError(f"{text}: {problem}", f"write for example {run}:0 or {run}:released") from problem
