"""Arguments of more than one verb."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from pointrend.errors import ParamsError
from pointrend.settings.params import typed_seed
from pointrend.settings.project import Project

OWN_FOLDERS = ("checkpoints", "data", "mlartifacts", "published", "results", "runs")


def seed_number(text: str) -> int:
    """A seed as it is typed; for ``type=`` of an argument."""
    try:
        return typed_seed(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem


def add_run(parser: argparse.ArgumentParser) -> None:
    """RUN, whose name is checked against params.yaml when it is used."""
    parser.add_argument("run", metavar="RUN", help="a run of params.yaml, voc_r50 for example")


def add_seed(parser: argparse._ActionsContainer) -> None:
    """--seed, of a training."""
    parser.add_argument("--seed", type=seed_number, default=0, metavar="K", help="seed of the training; default 0")


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """DATASET, whose name is checked against params.yaml when it is used."""
    parser.add_argument("dataset", metavar="DATASET", help="a dataset of params.yaml, voc for example")


def folder(text: str) -> Path:
    """A folder to write to, existing or not; a file is an error of argparse, before anything is computed."""
    if os.path.lexists(text) and not os.path.isdir(text):
        raise argparse.ArgumentTypeError(f"{text} is a file, not a folder")
    return Path(text)


def check_out(project: Project, out: Path) -> None:
    """Make sure that ``--out`` is not in a folder of the project: a score there could be taken for that of a run.

    Raises ParamsError if it is.
    """
    found = Path(os.path.realpath(out))
    for name in OWN_FOLDERS:
        if found.is_relative_to(os.path.realpath(project.root / name)):
            raise ParamsError(f"--out {out} is in {name}/, which only the stages write to", "name another folder")
