"""The plain metric, against which ours is timed, gives the same figures."""

from __future__ import annotations

import numpy as np

from pointrend.bench.metric import plain_iou
from pointrend.evaluation.confusion import Confusion


def test_the_plain_metric_gives_the_same_iou() -> None:
    rng = np.random.default_rng(0)
    guesses, truths = rng.integers(0, 5, (2, 3, 20, 30), np.uint8)
    truths[:, :4] = 255
    confusion = Confusion(6)
    for guess, truth in zip(guesses, truths, strict=True):
        confusion.add(guess, truth)
    plain = plain_iou(list(zip(guesses, truths, strict=True)), 6)
    np.testing.assert_allclose(plain, confusion.counts().iou(), rtol=1e-12, equal_nan=True)
    assert np.isnan(plain[5])
