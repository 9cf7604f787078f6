"""The bootstrap over images, against resamples that are counted one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pointrend.evaluation.confusion import Counts
from pointrend.evaluation.counts_file import StoredCounts
from pointrend.results import intervals
from pointrend.results.intervals import miou_interval, paired_interval


def stored(*images: list[list[int]]) -> StoredCounts:
    """Counts of images, each as rows true_positive, ground_truth, predicted."""
    true_positive, ground_truth, predicted = np.array(images, np.int64).transpose(1, 0, 2)
    ids = tuple(f"image {number}" for number in range(len(images)))
    return StoredCounts(ids, true_positive, ground_truth, predicted, len(images), "")


def drawn(images: int, classes: int, seed: int, skill: float = 0.6) -> StoredCounts:
    """Counts of images in which every class is seen in about half of them; the labels do not depend on ``skill``."""
    draw = np.random.default_rng(seed)
    ground_truth = draw.integers(1, 1000, (images, classes)) * (draw.random((images, classes)) < 0.5)
    true_positive = np.floor(ground_truth * np.clip(skill + draw.normal(0, 0.15, (images, classes)), 0, 1))
    predicted = true_positive.astype(np.int64) + draw.integers(0, 200, (images, classes))
    ids = tuple(map(str, range(images)))
    return StoredCounts(ids, true_positive.astype(np.int64), ground_truth, predicted, images, "")


def one_by_one(counts: StoredCounts) -> list[float]:
    """The mIoU of every resample, made from Counts as the metric makes it."""
    draw = np.random.default_rng(intervals.SEED).integers(0, counts.images, (intervals.RESAMPLES, counts.images))
    mious = []
    for chosen in draw:
        chosen = chosen[chosen < len(counts.ids)]
        columns = (counts.true_positive, counts.ground_truth, counts.predicted)
        mious.append(100 * Counts(*(column[chosen].sum(axis=0) for column in columns)).miou())
    return mious


@pytest.mark.parametrize("unlabelled", [0, 180])
def test_resamples_are_scored_as_the_metric_scores(unlabelled: int) -> None:
    """Images without labels take the place of others in a resample."""
    counts = drawn(images=30, classes=7, seed=1)
    counts = replace(counts, images=counts.images + unlabelled)
    assert miou_interval(counts) == pytest.approx(tuple(np.percentile(one_by_one(counts), [2.5, 97.5])), abs=1e-9)


def test_the_iou_of_single_images_is_not_averaged() -> None:
    """99 images of one right pixel and one of 9,900 wrong ones: their IoUs average 99 %, but half the pixels are wrong.

    A resample has the large image k times, k being close to Poisson(1): mIoU (100 - k) / (100 - k + 9900 k).
    """
    counts = stored(*[[[1], [1], [1]]] * 99, [[0], [9900], [0]])
    low, high = miou_interval(counts)
    assert high == 100.0
    assert low < 1


def test_a_class_that_a_resample_has_not_is_left_out_of_its_mean() -> None:
    """Class 1 is in one of two images, wholly wrong: 50 % with it, 100 % in the quarter of resamples without it."""
    counts = stored([[4, 0], [4, 0], [4, 0]], [[4, 0], [4, 2], [4, 0]])
    assert miou_interval(counts) == (50.0, 100.0)


def test_the_interval_holds_what_it_promises() -> None:
    """Of 200 validation sets drawn from one population, about 95 % have its mIoU in their interval."""
    truth = 100 * drawn(images=100_000, classes=4, seed=0).total.miou()
    intervals_found = [miou_interval(drawn(images=100, classes=4, seed=seed)) for seed in range(1, 201)]
    assert np.mean([low <= truth <= high for low, high in intervals_found]) == pytest.approx(0.95, abs=0.05)


def test_pairing_cancels_what_makes_images_hard() -> None:
    better, worse = drawn(60, 4, seed=9, skill=0.7), drawn(60, 4, seed=9, skill=0.6)
    low, high = paired_interval(better, worse)
    assert 0 < low < high
    first, second = miou_interval(better), miou_interval(worse)
    assert high - low < (first[1] - first[0]) + (second[1] - second[0])
    assert paired_interval(worse, better) == pytest.approx((-high, -low))
    expected = np.percentile(np.subtract(one_by_one(better), one_by_one(worse)), [2.5, 97.5])
    assert (low, high) == pytest.approx(tuple(expected), abs=1e-9)


def test_the_same_weights_do_not_differ() -> None:
    counts = drawn(40, 3, seed=4)
    assert paired_interval(counts, counts) == (0.0, 0.0)


def test_other_images_or_labels_cannot_be_paired() -> None:
    counts = drawn(10, 3, seed=1)
    for other in (
        replace(counts, ids=counts.ids[::-1]),
        replace(counts, images=11),
        replace(counts, ground_truth=counts.ground_truth + 1),
    ):
        with pytest.raises(ValueError, match="not of the same images"):
            paired_interval(counts, other)
