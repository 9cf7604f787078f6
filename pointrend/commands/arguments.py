"""Arguments of more than one verb."""

from __future__ import annotations

import argparse
from pathlib import Path

from pointrend.params import typed_seed


def seed_number(text: str) -> int:
    """A seed as it is typed; for ``type=`` of an argument."""
    try:
        return typed_seed(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem


def add_run(parser: argparse.ArgumentParser) -> None:
    """RUN, whose name is checked against params.yaml when it is used."""
    parser.add_argument("run", metavar="RUN", help="a run of params.yaml, voc_r50 for example")


def add_seed(parser: argparse.ArgumentParser) -> None:
    """--seed, of a training."""
    parser.add_argument("--seed", type=seed_number, default=0, metavar="K", help="of the training; default 0")


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """DATASET, whose name is checked against params.yaml when it is used."""
    parser.add_argument("dataset", metavar="DATASET", help="a dataset of params.yaml, voc for example")


def folder(text: str) -> Path:
    """A folder to write to, there or not; argparse's error for a file, before anything is computed for it."""
    if Path(text).exists() and not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a file, not a folder")
    return Path(text)
