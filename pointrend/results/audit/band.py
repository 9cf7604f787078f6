"""Where the losses of another training of the same recipe are to be expected; docs/audit.md gives the reasoning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CENTRE_RECORDS = 21
"""Records around one, through which a line is laid; it is the centre of the band at that record."""
SCATTER_RECORDS = 51
"""Records around one that its scatter is measured from."""
REACH = 3.0
"""Scatters from the centre to the ends of the band."""
LEAST_RECORDS = CENTRE_RECORDS
"""A shorter curve has no band."""
SMALLEST = 1e-4
"""Loss, and scatter as a share of it, below which a log of four decimals cannot tell."""
_MAD_TO_SIGMA = 1.4826

Values = NDArray[np.float64]


def band(losses: Sequence[float]) -> tuple[Values, Values]:
    """Lower and upper end (N,) of the band around a curve of N mean losses, in the order of their iterations.

    Raises:
        ValueError: there are fewer than :data:`LEAST_RECORDS`.
    """
    if len(losses) < LEAST_RECORDS:
        raise ValueError(f"{len(losses)} records are too few for a band")
    # In logarithms, because a loss scatters by a share of itself, and falls by much in its first records.
    values = np.log(np.maximum(np.asarray(losses, np.float64), SMALLEST))
    centre = _centre(values)
    reach = REACH * _scatter(values - centre)
    return np.exp(centre - reach), np.exp(centre + reach)


def _centre(values: Values) -> Values:
    """At each record the height of a line through those around it, by medians alone (Theil 1950, Sen 1968).

    Its slope is the median of the slopes between all pairs, so that a few odd records do not move it. A running median
    without a slope would follow every single record where the curve falls steeply.
    """
    windows, place, near = _around(values, CENTRE_RECORDS)
    first, second = np.triu_indices(CENTRE_RECORDS, 1)
    slopes = np.median((windows[:, second] - windows[:, first]) / (second - first), axis=1)[:, None]
    heights = np.median(windows - slopes * np.arange(CENTRE_RECORDS), axis=1)
    return heights[near] + slopes[near, 0] * place


def _scatter(residuals: Values) -> Values:
    """Standard deviation of a record's logarithm, from the median absolute deviation of those around it."""
    windows, _, near = _around(residuals, min(SCATTER_RECORDS, len(residuals)))
    middle = np.median(windows, axis=1, keepdims=True)
    return np.maximum(_MAD_TO_SIGMA * np.median(np.abs(windows - middle), axis=1), SMALLEST)[near]


def _around(values: Values, width: int) -> tuple[Values, NDArray[np.int64], NDArray[np.int64]]:
    """All windows (W, width), and of each record its place in its window and the number of that window.

    A record in the middle has its window around it, one near an end shares the window at that end.
    """
    windows = np.lib.stride_tricks.sliding_window_view(values, width)
    records = np.arange(len(values))
    near = np.clip(records - width // 2, 0, len(windows) - 1)
    return windows, records - near, near
