"""What may be concluded from a number, one stated rule each; docs/verdicts.md gives the reasoning.

Differences are ours minus published, in percentage points. Sigma is the standard deviation of the mIoU over trainings
that differ in nothing but their seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

MATCHES, CLOSE = 0.02, 0.05  # points by which the same weights may differ from their published number
MARGIN = 1.0  # points; a smaller true difference counts as none
CONFIDENCE = 0.95
TWO_SIDED = (1 + CONFIDENCE) / 2
ENOUGH = 3  # seeds from which sigma is measured, and a run is judged as a whole
DECIMALS = 9  # to which differences are rounded before they are compared: 37.82 - 37.80 is not 0.02


@dataclass(frozen=True)
class Spread:
    """Sigma in points, where it comes from, and its degrees of freedom; none for an assumed one."""

    sigma: float
    source: str
    degrees: int = 0


@dataclass(frozen=True)
class Verdict:
    """The word, and what it rests on: seeds, sigma, and the interval of the difference, both in points."""

    word: str
    n: int = 0
    sigma: float | None = None
    interval: tuple[float, float] | None = None


NOT_RUN = Verdict("not run")  # no result exists
NOT_COMPARABLE = Verdict("not comparable", n=1)  # not the published recipe on the official data, whatever the number
UNVERIFIED = Verdict("unverified")  # the files of the result contradict each other, whatever the number


def released(difference: float) -> Verdict:
    """The verdict on released weights, scored by our evaluation: only rounding is left to chance."""
    size = round(abs(difference), DECIMALS)
    return Verdict("matches" if size <= MATCHES else "close" if size <= CLOSE else "differs", n=1)


def one_seed(difference: float, spread: Spread) -> Verdict:
    """The verdict on a single training: two single trainings of one recipe differ by sqrt(2) sigma."""
    reach = _quantile(TWO_SIDED, degrees=0) * math.sqrt(2) * spread.sigma
    word = "consistent" if abs(difference) <= reach else _side(difference)
    return Verdict(word, 1, spread.sigma, (difference - reach, difference + reach))


def seeds(differences: Sequence[float], spread: Spread) -> Verdict:
    """The verdict on a run from its trainings, at least :data:`ENOUGH` of them.

    The published number is a single training, so it must be in the band of a future single one around our mean.
    """
    n = len(differences)
    if n < ENOUGH:
        raise ValueError(f"{n} seeds are too few to judge a run as a whole")
    mean = math.fsum(differences) / n
    error = spread.sigma * math.sqrt(1 + 1 / n)
    reach = _quantile(TWO_SIDED, spread.degrees) * error
    if abs(mean) > reach:
        word = _side(mean)
    else:
        # Two one-sided tests, each at 5 %: the difference is above -MARGIN, and it is below MARGIN.
        equivalent = abs(mean) + _quantile(CONFIDENCE, spread.degrees) * error <= MARGIN
        word = "reproduced" if equivalent else "insufficient"
    return Verdict(word, n, spread.sigma, (mean - reach, mean + reach))


def pooled(scores: Sequence[Sequence[float]]) -> Spread | None:
    """Sigma measured within a dataset: ``scores`` are those of each backbone's seeds.

    Backbones with fewer than :data:`ENOUGH` seeds do not count; None where none is left.
    """
    groups = [group for group in scores if len(group) >= ENOUGH]
    if not groups:
        return None
    degrees = sum(len(group) - 1 for group in groups)
    squares = math.fsum((score - math.fsum(group) / len(group)) ** 2 for group in groups for score in group)
    counted = " + ".join(str(len(group)) for group in groups)
    return Spread(math.sqrt(squares / degrees), f"measured over {counted} seeds, {degrees} degrees of freedom", degrees)


def _quantile(probability: float, degrees: int) -> float:
    """Of Student's t, or of the normal distribution where sigma is not measured but assumed."""
    return float(stats.t.ppf(probability, degrees) if degrees else stats.norm.ppf(probability))


def _side(difference: float) -> str:
    return "above" if difference > 0 else "below"
