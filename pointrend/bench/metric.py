"""The metric: maps of all pictures kept and histograms over them, against one confusion matrix; and its memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pointrend.bench.drawn import KINDS, Kind, draw_mask
from pointrend.bench.figures import FAST, PLAIN, Figure, Finding, Growth
from pointrend.bench.timing import interleaved
from pointrend.evaluation.confusion import Confusion, Counts, LabelMap

PICTURES = 8
GROWTH = (100, 1000, 10000)


def run() -> list[Finding]:
    """Per picture, for the sizes of the three datasets; memory for VOC."""
    return [*map(_figure, KINDS), Growth("memory of the metric", "MB", "pictures", {n: _memory(n) for n in GROWTH})]


def _figure(kind: Kind) -> Figure:
    pairs, classes = list(_pairs(kind)), len(kind.classes.names)
    timings = interleaved({PLAIN: lambda: plain_iou(pairs, classes), FAST: lambda: _ours(pairs, classes)})
    return Figure(kind.classes.title, "picture", PICTURES, timings, {"dataset": kind.dataset})


def _pairs(kind: Kind) -> Iterator[tuple[LabelMap, LabelMap]]:
    """Predictions and ground truths."""
    for seed in range(PICTURES):
        truth, guess = (kind.classes.train_ids[draw_mask(seed + more, kind)] for more in (0, 100))
        truth[:5] = 255
        yield guess, truth


def plain_iou(pairs: list[tuple[LabelMap, LabelMap]], num_classes: int) -> NDArray[np.float64]:
    """IoU per class as upstream has it: all maps are kept, eight bytes a pixel, and counted in the end."""
    kept = [(guess.astype(np.int64), truth.astype(np.int64)) for guess, truth in pairs]
    totals = np.zeros((3, num_classes))
    for guess, truth in kept:
        labelled = truth < num_classes
        guess, truth = guess[labelled], truth[labelled]
        for total, values in zip(totals, (guess[guess == truth], guess, truth), strict=True):
            total += np.histogram(values, bins=np.arange(num_classes + 1))[0]
    shared, guessed, true = totals
    with np.errstate(invalid="ignore"):
        return np.asarray(shared / (guessed + true - shared), dtype=np.float64)


def _ours(pairs: list[tuple[LabelMap, LabelMap]], num_classes: int) -> NDArray[np.float64]:
    confusion = Confusion(num_classes)
    for guess, truth in pairs:
        confusion.add(guess, truth)
    return confusion.counts().iou()


def _memory(pictures: int) -> float:
    """Largest memory of scoring so many VOC pictures, what is kept for confusion.parquet included."""
    kind = KINDS[0]
    pairs = list(_pairs(kind))
    tracemalloc.start()
    confusion, kept = Confusion(len(kind.classes.names)), dict[int, Counts]()
    for index in range(pictures):
        kept[index] = confusion.add(*pairs[index % PICTURES])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20
