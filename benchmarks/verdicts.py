"""How often the rules of docs/verdicts.md are wrong: 10,000 simulated histories a case, by the code that judges runs.

A history is one published figure and as many trainings of ours as were planned, looked at after the third and after
each one that follows. It is wrong if any look is.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import write_between
from pointrend.results.chance import MARGIN, RATE, Sample, p_of_looks
from pointrend.results.verdict import HOLM_LOOKS, Reference, Spread, one_seed, seeds

ROOT = Path(__file__).parents[1]
RETRAININGS = ROOT / "published" / "retrainings.csv"
HISTORIES = 10_000
PLANNED = (3, 5, 10, 20)
ROUNDING = 0.005  # points, of the published figure


@dataclass(frozen=True)
class Case:
    """True standard deviations in points: of the published trainings, of ours, of those that the evidence is from."""

    name: str
    published: float
    ours: float
    evidence: float
    degrees: int
    trainings: int = 1
    own: bool = False

    def p(self, planned: int, difference: float, seed: int = 0) -> NDArray[np.float64]:
        """The p of each history and look that nothing, and that a point or more differs: (2, histories, looks)."""
        rng = np.random.default_rng((seed, planned))
        ours = rng.normal(difference, self.ours, (HISTORIES, planned))
        published = rng.normal(0, self.published / math.sqrt(self.trainings), (HISTORIES, 1))
        known = self.evidence**2 * rng.chisquare(self.degrees, HISTORIES) / self.degrees
        printed = published.round(2)
        return p_of_looks(ours - printed, Sample(known, self.degrees, self.trainings), self.own, ROUNDING)

    def row(self) -> list[str]:
        """Percent of histories: falsely a side, falsely reproduced at one point, reproduced where nothing differs."""
        known = "own" if self.own else f"{self.evidence:g}"
        cells = (self.shares(planned) for planned in PLANNED)
        return [f"{self.name}: {self.published:g}, {self.ours:g}, {known} ({self.degrees})", *map(_percents, cells)]

    def shares(self, planned: int) -> list[float]:
        """How many histories are falsely a side, falsely reproduced, and reproduced."""
        same, far = self.p(planned, 0), self.p(planned, MARGIN, seed=1)
        return [float((least <= RATE).mean()) for least in (_side(same), _reproduced(far), _reproduced(same))]


CASES = (
    Case("equal", 0.13, 0.13, 0.13, 12),
    Case("equal", 0.26, 0.26, 0.26, 16),
    Case("equal", 0.5, 0.5, 0.5, 3),
    Case("evidence too small", 0.5, 0.5, 0.13, 12),
    Case("evidence too large", 0.13, 0.13, 0.5, 3),
    Case("one backbone of two", 0.1, 0.1, 0.36, 16),
    Case("the other one", 0.5, 0.5, 0.36, 16),
    Case("ours small", 0.5, 0.1, 0.5, 3),
    Case("ours half", 0.2, 0.1, 0.2, 3),
    Case("ours large", 0.1, 0.5, 0.1, 12),
    Case("mean of 3 published", 0.3, 0.3, 0.3, 2, 3, own=True),
    Case("mean of 7, ours large", 0.1, 0.5, 0.1, 6, 7, own=True),
    Case("ours small, evidence too small", 0.5, 0.1, 0.13, 12),
)
SIX = {"as the evidence says": CASES[:3] * 2, "evidence too small in all": CASES[3:4] * 6}
PREFERENCES = (
    ("assumed", 0.3, 0),
    ("ADE20K, OCRNet alone", 0.52, 3),
    ("ADE20K, MaskFormer", 0.41, 6),
)  # beside the pairs: name, sigma, degrees of freedom


def error_rates() -> Iterator[list[str]]:
    """A row per case."""
    yield ["σ of published, of ours, of the evidence (degrees)", *(f"{planned} planned" for planned in PLANNED)]
    yield from (case.row() for case in CASES)


def six_runs() -> Iterator[list[str]]:
    """Percent of histories in which the headline is wrong about any of six runs, and the mean of what it counts."""
    yield ["six runs at once", *(f"{planned} planned" for planned in PLANNED)]
    for name, cases in SIX.items():
        cells = []
        for planned in PLANNED:
            same, far = ([case.p(planned, d, index + 2) for index, case in enumerate(cases)] for d in (0, MARGIN))
            wrong = [_holm(map(_side, same)) > 0, _holm(map(_reproduced, far)) > 0]
            counted = _holm(map(_reproduced, same)).mean()
            cells.append(f"{_percents([float(found.mean()) for found in wrong])} / {counted:.1f} of 6")
        yield [name, *cells]


def preferences() -> Iterator[list[str]]:
    """What one training and what trainings that are 0.4 points below give under each sigma that a reader may prefer."""
    yield ["σ (degrees)", "one training is consistent within", "3 of 3 seeds, mean 0.4 below", "10 of 10"]
    pairs = ((f"{dataset}, pairs", *found) for dataset, found in evidence().items())
    for name, sigma, degrees in (*pairs, *PREFERENCES):
        reference = Reference(Spread(sigma, name, degrees))
        _, reach = one_seed(0, reference).interval or (0, 0)
        words = [_word(-0.4, sigma, n, reference) for n in (3, 10)]
        yield [f"{sigma:.2f} ({degrees or 'known'}): {name}", f"± {reach:.2f}", *words]


def evidence(file: Path = RETRAININGS) -> dict[str, tuple[float, int]]:
    """Sigma in points and its degrees of freedom, by dataset, from pairs of trainings: sqrt(sum d^2 / 2n)."""
    pairs = defaultdict(list)
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["before"]:
                pairs[row["dataset"]].append(float(row["after"]) - float(row["before"]))
    return {
        dataset: (math.sqrt(math.fsum(d**2 for d in found) / 2 / len(found)), len(found))
        for dataset, found in pairs.items()
    }


def write(page: Path = ROOT / "docs" / "verdicts.md") -> str:
    """Simulate everything, write the tables into the page, and return them."""
    text = "\n".join(_table(list(rows)) for rows in (error_rates(), six_runs(), preferences()))
    write_between(page, "verdicts", text)
    return text


def _side(p: NDArray[np.float64]) -> Any:
    """The least p of a side in each history."""
    return p[0].min(axis=1)


def _reproduced(p: NDArray[np.float64]) -> Any:
    """The least p of `reproduced` in each history, over the looks that call no side."""
    return np.where(p[0] > RATE, p[1], 1).min(axis=1)


def _holm(least: Iterable[NDArray[np.float64]]) -> Any:
    """How many of the runs, one row each, the headline counts in each history."""
    ordered = np.sort(list(least), axis=0)
    tests = np.arange(len(ordered), 0, -1)[:, None]
    return np.cumprod(ordered * HOLM_LOOKS * tests <= RATE, axis=0).sum(axis=0)


def _word(mean: float, sigma: float, n: int, reference: Reference) -> str:
    """The verdict on ``n`` seeds with this mean difference, whose spread is ``sigma``."""
    steps = np.linspace(-1, 1, n)
    found = seeds((mean + sigma * steps / steps.std(ddof=1)).tolist(), n, reference)
    low, high = found.interval or (0, 0)
    return f"{found.word}, ± {(high - low) / 2:.2f}"


def _percents(shares: Sequence[float]) -> str:
    return " / ".join(f"{100 * share:.1f}" for share in shares)


def _table(rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in (rows[0], ["-"] * len(rows[0]), *rows[1:]))
