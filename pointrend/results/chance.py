"""How far chance carries the difference between the means of two sets of trainings; docs/verdicts.md gives the rules.

Every function takes numbers or arrays with one element per history, so that the simulations of `benchmarks/verdicts.py`
and of `plan` run the very rules that judge a run. All values are in percentage points of mIoU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64] | float
RATE = 0.05  # of each error, over all looks at a run together
MARGIN = 1.0  # points; a smaller true difference counts as none
FIRST_LOOK = 3  # seeds after which a run is judged as a whole for the first time
ALIKE = 0.75  # two spreads are pooled unless an F test at this level tells them apart
KNOWN = 1e6  # degrees of freedom of an assumed spread: Student's t is the normal distribution


@dataclass(frozen=True)
class Sample:
    """Trainings on one side of a difference: variance of their mIoU, its degrees of freedom, number of trainings."""

    variance: Floats
    degrees: Floats
    trainings: int


@dataclass(frozen=True)
class Error:
    """A standard error of the difference and its degrees of freedom."""

    size: Floats
    degrees: Floats

    def tail(self, distance: Floats) -> Any:
        """Probability that chance exceeds ``distance`` in one direction."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.nan_to_num(stats.t.sf(np.divide(distance, self.size), self.degrees), nan=1.0)

    def reach(self, level: float) -> Any:
        """The distance that chance exceeds with probability ``level`` in one direction."""
        return stats.t.isf(level, self.degrees) * self.size


def pooled(ours: Sample, theirs: Sample) -> Sample:
    """Both spreads in one, weighted by degrees of freedom, where an F test allows it; else that of ``ours``."""
    degrees = ours.degrees + theirs.degrees
    variance = (ours.degrees * ours.variance + theirs.degrees * theirs.variance) / degrees
    both = _alike(ours, theirs)
    return Sample(np.where(both, variance, ours.variance), np.where(both, degrees, ours.degrees), ours.trainings)


def errors(ours: Sample, theirs: Sample, own: bool) -> list[Error]:
    """Standard errors of the difference; the one with the longest reach counts.

    ``own`` states that ``theirs`` was measured on the very trainings that were published: Welch's error. Otherwise it
    comes from other networks and may be wrong for this one. Then chance reaches at least as far as our seeds alone say.
    """
    a, b = theirs.variance / theirs.trainings, ours.variance / ours.trainings
    welch = Error(np.sqrt(a + b), (a + b) / (a / theirs.degrees + b / ours.degrees))
    if own:
        return [welch]
    share, one = 1 / ours.trainings + 1 / theirs.trainings, pooled(ours, theirs)
    both = _alike(ours, theirs)
    size, degrees = np.sqrt(one.variance * share), one.degrees
    together = Error(np.where(both, size, welch.size), np.where(both, degrees, welch.degrees))
    return [together, Error(np.sqrt(ours.variance * share), ours.degrees)]


def p_values(mean: Floats, found: list[Error], rounding: float, share: float) -> tuple[Any, Any]:
    """p of "the true difference is 0" and of "it is MARGIN or more", adjusted for the other looks.

    The second is the larger p of two one-sided tests (Schuirmann 1987).
    """
    distance = np.abs(mean)
    side = 2 * np.maximum.reduce([error.tail(distance - rounding) for error in found])
    equivalent = np.maximum.reduce([error.tail(MARGIN - rounding - distance) for error in found])
    return np.minimum(side / share, 1), np.minimum(equivalent / share, 1)


def share_of_look(n: int, planned: int, own: bool) -> float:
    """The share of an error rate that the look after ``n`` of ``planned`` seeds may spend; 1 for a single look.

    Little is spent while our spread has few degrees of freedom. The divisor is what simulated histories need for all
    looks together to keep the rate (docs/verdicts.md); a single published training, which all looks share, needs less.
    """
    looks = planned - FIRST_LOOK + 1
    return ((n - FIRST_LOOK + 1) / looks) ** 2 / min(1 + 0.15 * (looks - 1), 2.0 if own else 1.3)


def chance_left(mean: float, now: Sample, theirs: Sample, planned: int, own: bool, rounding: float) -> float:
    """Chance of `reproduced` at the last planned look, if the seeds to come scatter as ``now`` says."""
    last = Sample(now.variance, planned - 1, planned)
    reach = max(error.reach(RATE * share_of_look(planned, planned, own)) for error in errors(last, theirs, own))
    room, size = MARGIN - rounding - reach, np.sqrt(now.variance * (1 / now.trainings - 1 / planned))
    if room <= 0 or size == 0:
        return float(abs(mean) <= room)
    below, above = stats.t.cdf([(-room - mean) / size, (room - mean) / size], now.degrees)
    return float(above - below)


def p_of_looks(differences: NDArray[np.float64], theirs: Sample, own: bool, rounding: float) -> NDArray[np.float64]:
    """The two :func:`p_values` of every history, ours minus published (histories, planned), at each of its looks.

    Returns (2, histories, looks).
    """
    planned = differences.shape[1]
    found = []
    for n in range(FIRST_LOOK, planned + 1):
        seen = differences[:, :n]
        ours = Sample(seen.var(axis=1, ddof=1), n - 1, n)
        share = share_of_look(n, planned, own)
        found.append(p_values(seen.mean(axis=1), errors(ours, theirs, own), rounding, share))
    return np.moveaxis(np.array(found), 0, -1)


def _alike(ours: Sample, theirs: Sample) -> Any:
    with np.errstate(divide="ignore"):
        below = stats.f.cdf(np.divide(ours.variance, theirs.variance), ours.degrees, theirs.degrees)
    return (below >= ALIKE / 2) & (below <= 1 - ALIKE / 2)
