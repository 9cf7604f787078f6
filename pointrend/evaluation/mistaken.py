"""Which classes a network takes for which others, for `pointrend confusion` and MLflow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pointrend.errors import ResultsError
from pointrend.evaluation.counts_file import EVALUATE_AGAIN, read_counts, read_matrix


class Pair(NamedTuple):
    """Pixels of class ``truth`` that were predicted as ``predicted``; ``percent`` of all of that class."""

    truth: str
    predicted: str
    percent: float
    pixels: int


def mistaken(folder: Path, names: Sequence[str], top: int) -> list[Pair]:
    """The ``top`` pairs of classes with most pixels in the matrix of a scored run; ``names`` are those of all classes.

    Raises:
        ResultsError: a file of the score is missing or has another number of classes.
        CheckFailed: the matrix does not give the counts of the images.
    """
    counts_file = folder / "confusion.parquet"
    total = read_counts(counts_file).total
    if len(names) != len(total.ground_truth):
        what = f"{counts_file} has {len(total.ground_truth)} classes, not {len(names)}"
        raise ResultsError(what, EVALUATE_AGAIN)
    wrong = read_matrix(folder / "matrix.parquet", total)
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[: min(top, np.count_nonzero(wrong))]
    pairs = zip(*(axis.tolist() for axis in np.unravel_index(order, wrong.shape)), strict=True)
    return [
        Pair(names[i], names[j], 100 * int(wrong[i, j]) / int(total.ground_truth[i]), int(wrong[i, j]))
        for i, j in pairs
    ]
