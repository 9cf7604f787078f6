"""Curves made up for the tests: they fall as a training's losses do, and scatter by a share of themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointrend.results.audit.curves import LOG_INTERVAL, LOSSES, Curve

SCATTER = 0.04
RECORDS = 793  # of a training on VOC: 60 epochs of 661 iterations


def curve(
    rng: np.random.Generator, records: int = RECORDS, shift: float = 0.0, since: int = 0, noise: str = "normal"
) -> Curve:
    """A curve; from record ``since`` on it lies ``shift`` scatters higher."""
    done = np.arange(1, records + 1) / records
    mean = 0.25 + 2.0 * np.exp(-40 * done) + 0.5 * (1 - done) ** 0.9
    moved = shift * (np.arange(records) >= since)
    losses = {name: mean * (1 + SCATTER * (_noise(rng, records, noise) + moved)) for name in LOSSES}
    iterations = [LOG_INTERVAL * (record + 1) for record in range(records)]
    return Curve(60, 661, iterations, {name: values.tolist() for name, values in losses.items()})


def _noise(rng: np.random.Generator, records: int, kind: str) -> NDArray[np.float64]:
    """Of standard deviation 1: normal, with heavy tails, or with each record taking over half of the one before."""
    if kind == "heavy":
        return rng.standard_t(5, records) / np.sqrt(5 / 3)
    fresh = rng.normal(size=records)
    if kind == "sluggish":
        for record in range(1, records):
            fresh[record] = 0.5 * fresh[record - 1] + np.sqrt(0.75) * fresh[record]
    return fresh
