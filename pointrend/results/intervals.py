"""How far a score could differ with other images: the bootstrap over images.

A resample draws as many images as there are, with replacement, adds up their counts, and takes the mIoU of the sum,
as the metric does: the IoU of a single image is never averaged. Intervals are those of the percentile method (Efron
and Tibshirani, An Introduction to the Bootstrap, chapter 13). They hold for one set of weights; how much another
training would differ is a different question (docs/verdicts.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointrend.evaluation.counts_file import StoredCounts

Interval = tuple[float, float]  # lower and upper end, in percent or percentage points

RESAMPLES = 1000
CONFIDENCE = 0.95
SEED = 0  # of the resampling: the same counts give the same interval


def miou_interval(counts: StoredCounts) -> Interval:
    """Interval of the mIoU in percent."""
    return _percentiles(_resampled_mious(counts, _draws(counts.images)))


def paired_interval(first: StoredCounts, second: StoredCounts) -> Interval:
    """Interval of the mIoU of ``first`` minus that of ``second``, in points, on the same images.

    Both are resampled together, so that what makes an image hard for both cancels out.

    Raises:
        ValueError: they are not of the same images with the same labels.
    """
    same_images = (first.ids, first.images) == (second.ids, second.images)
    if not same_images or not np.array_equal(first.ground_truth, second.ground_truth):
        raise ValueError("the two counts are not of the same images with the same labels")
    draws = _draws(first.images)
    return _percentiles(_resampled_mious(first, draws) - _resampled_mious(second, draws))


def _draws(images: int) -> NDArray[np.float64]:
    """How often each resample (row) has each image (column)."""
    drawn = np.random.default_rng(SEED).integers(0, images, (RESAMPLES, images))
    drawn += images * np.arange(RESAMPLES)[:, None]
    return np.bincount(drawn.ravel(), minlength=RESAMPLES * images).reshape(RESAMPLES, images).astype(np.float64)


def _resampled_mious(counts: StoredCounts, draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mIoU of each resample in percent; a class that a resample has not is left out of its mean."""
    union = counts.ground_truth + counts.predicted - counts.true_positive
    # Images without rows have no pixel to add. Sums stay far below 2**53, so float64 adds them exactly, in any order.
    draws = draws[:, : len(counts.ids)]
    true_positives, unions = draws @ counts.true_positive, draws @ union
    present = unions > 0
    iou = np.divide(true_positives, unions, out=np.zeros_like(unions), where=present)
    classes = present.sum(axis=1)
    return 100 * np.divide(iou.sum(axis=1), classes, out=np.zeros(len(draws)), where=classes > 0)


def _percentiles(values: NDArray[np.float64]) -> Interval:
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)
