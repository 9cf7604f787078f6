"""What may be concluded from a number, one stated rule each; docs/verdicts.md gives the reasoning.

Differences are ours minus published, in percentage points. Sigma is the standard deviation of the mIoU over trainings
that differ in nothing but their seed.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pointrend.results import chance
from pointrend.results.chance import FIRST_LOOK, KNOWN, RATE, Error, Sample

MATCHES, CLOSE = 0.02, 0.05  # points by which the same weights may differ from their published number
DECIMALS = 9  # to which differences are rounded before they are compared: 37.82 - 37.80 is not 0.02
FUTILE = 0.05  # chance of `reproduced` below which more seeds are not worth their GPU weeks
REPRODUCED, SIDES = "reproduced", ("below", "above")
HOLM_LOOKS = 1.3  # at the smaller levels of Holm's method several looks spend this much more than their share


@dataclass(frozen=True)
class Spread:
    """Sigma in points, where it comes from, and its degrees of freedom; none for an assumed one."""

    sigma: float
    source: str
    degrees: int = 0


@dataclass(frozen=True)
class Reference:
    """The published side of a difference: the mean of ``trainings`` trainings, and how these scatter.

    ``own`` states that ``spread`` was measured on these very trainings, not on others. ``rounding`` is half a unit of
    the last published digit, in points.
    """

    spread: Spread
    trainings: int = 1
    own: bool = False
    rounding: float = 0.005

    def sample(self) -> Sample:
        """The same for :mod:`chance`."""
        return Sample(self.spread.sigma**2, self.spread.degrees or KNOWN, self.trainings)


@dataclass(frozen=True)
class Verdict:
    """The word, and what it rests on: seeds, sigma and its source, and the interval of the difference in points.

    On a run as a whole also what to do ``next``, and the ``p`` that the headline needs.
    """

    word: str
    n: int = 0
    sigma: float | None = None
    source: str | None = None
    interval: tuple[float, float] | None = None
    next: str | None = None  # stop, go on, or futile
    p: Mapping[str, float] | None = None  # of `reproduced` and of `side`, adjusted for the other looks


NOT_RUN = Verdict("not run")  # no result exists
NOT_COMPARABLE = Verdict("not comparable", n=1)  # not the published recipe on the official data, whatever the number
UNVERIFIED = Verdict("unverified")  # the files of the result contradict each other, whatever the number


def released(difference: float) -> Verdict:
    """The verdict on released weights, scored by our evaluation: only rounding is left to chance."""
    size = round(abs(difference), DECIMALS)
    return Verdict("matches" if size <= MATCHES else "close" if size <= CLOSE else "differs", n=1)


def one_seed(difference: float, reference: Reference) -> Verdict:
    """The verdict on a single training: two single trainings of one recipe differ by sqrt(2) sigma."""
    theirs = reference.sample()
    error = Error(math.sqrt(theirs.variance * (1 + 1 / theirs.trainings)), theirs.degrees)
    reach = float(error.reach(RATE / 2)) + reference.rounding
    word = "consistent" if abs(difference) <= reach else _side(difference)
    spread = reference.spread
    return Verdict(word, 1, spread.sigma, spread.source, (difference - reach, difference + reach))


def seeds(differences: Sequence[float], planned: int, reference: Reference) -> Verdict:
    """The verdict on a run from its first trainings, of as many as were planned before the first of them.

    The bounds hold at all looks from the third seed to the last planned one together.

    Raises:
        ValueError: there are fewer than :data:`FIRST_LOOK`, or more than planned.
    """
    n = len(differences)
    if not FIRST_LOOK <= n <= planned:
        raise ValueError(f"{n} seeds of {planned} planned ones; a run as a whole needs {FIRST_LOOK} or more")
    mean = statistics.fmean(differences)
    ours, theirs, own = Sample(statistics.variance(differences, mean), n - 1, n), reference.sample(), reference.own
    found, share = chance.errors(ours, theirs, own), chance.share_of_look(n, planned, own)
    side, equivalent = map(float, chance.p_values(mean, found, reference.rounding, share))
    word = _side(mean) if side <= RATE else REPRODUCED if equivalent <= RATE else "insufficient"
    one = chance.pooled(ours, theirs)
    then = "stop"
    if word == "insufficient" and n < planned:
        left = chance.chance_left(mean, one, theirs, planned, own, reference.rounding)
        then = "go on" if left >= FUTILE else "futile"
    reach = max(float(error.reach(RATE / 2 * share)) for error in found) + reference.rounding
    return Verdict(
        word,
        n,
        math.sqrt(one.variance),
        _source(ours, one, reference.spread),
        (mean - reach, mean + reach),
        then,
        {"reproduced": equivalent, "side": side},
    )


def headline(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many of the published numbers are reproduced, and how many are not: Holm's method over all of them.

    Each count is wrong about any run in at most 5 % of all cases. A run without a verdict as a whole counts as neither.
    """
    runs = {row["run"] for row in rows if row["published_miou"] is not None}
    whole = [row for row in rows if row["kind"] == "seeds"]
    reproduced = [row["p"]["reproduced"] for row in whole if row["verdict"] == REPRODUCED]
    sides = [row["p"]["side"] for row in whole if row["verdict"] in SIDES]
    return {"runs": len(runs), "reproduced": _holm(reproduced, len(runs)), "below or above": _holm(sides, len(runs))}


def _holm(p_values: Sequence[float], tests: int) -> int:
    """How many of ``tests`` hypotheses are rejected; those without a p value are not."""
    rejected = 0
    for p in sorted(p_values):
        if p * HOLM_LOOKS * (tests - rejected) > RATE:
            break
        rejected += 1
    return rejected


def _source(ours: Sample, one: Sample, spread: Spread) -> str:
    """Where the pooled sigma comes from."""
    if one.degrees == ours.degrees:
        return f"measured over {ours.trainings} seeds; not pooled with {spread.sigma:.2f} ({spread.source}): F test"
    if not spread.degrees:
        return spread.source
    return f"measured over {ours.trainings} seeds, pooled with {spread.source}; {one.degrees:.0f} degrees of freedom"


def _side(difference: float) -> str:
    return "above" if difference > 0 else "below"
