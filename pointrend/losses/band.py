"""Where the losses of another training of the same recipe are to be expected; docs/audit.md gives the reasoning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CENTRE_RECORDS = 10
"""On either side of a record; the centre is the median over them."""
SCATTER_STEPS = 50
"""Steps from record to record around one that its scatter is measured from."""
REACH = 3.0
"""Scatters from the centre to the ends of the band."""
LEAST_RECORDS = 20
"""A shorter curve has no band."""
SMALLEST_SCATTER = 1e-4
"""A log has four decimals."""
_MAD_TO_SIGMA = 1.4826

Values = NDArray[np.float64]


def band(losses: Sequence[float]) -> tuple[Values, Values]:
    """Lower and upper end (N,) of the band around a curve of N mean losses, in the order of their iterations.

    Raises:
        ValueError: there are fewer than :data:`LEAST_RECORDS`.
    """
    values = np.asarray(losses, np.float64)
    if len(values) < LEAST_RECORDS:
        raise ValueError(f"{len(values)} records are too few for a band")
    centre, reach = _centre(values), REACH * _scatter(values)
    return centre - reach, centre + reach


def _centre(values: Values) -> Values:
    """Running median over windows that lie even around each record, and so are narrower towards both ends."""
    last = len(values) - 1
    sides = (min(CENTRE_RECORDS, place, last - place) for place in range(len(values)))
    return np.array([np.median(values[place - side : place + side + 1]) for place, side in enumerate(sides)])


def _scatter(values: Values) -> Values:
    """Standard deviation of a record, from the median absolute deviation of the steps around it.

    Steps, because a falling curve moves the records of a window apart without any scatter. A step is the difference
    of two records, so its deviation is the square root of two times theirs.
    """
    steps = np.diff(values)
    width = min(SCATTER_STEPS, len(steps))
    windows = np.lib.stride_tricks.sliding_window_view(steps, width)
    middle = np.median(windows, axis=1, keepdims=True)
    measured = _MAD_TO_SIGMA * np.median(np.abs(windows - middle), axis=1) / np.sqrt(2)
    # A record in the middle has its window around it, one near an end the window at that end.
    nearest = np.clip(np.arange(len(values)) - width // 2, 0, len(measured) - 1)
    return np.maximum(measured[nearest], SMALLEST_SCATTER)
