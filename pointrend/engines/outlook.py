"""How many seeds a run needs before it can be `reproduced`, for `plan`; docs/verdicts.md gives the rules."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

from pointrend.results.chance import FIRST_LOOK, RATE, p_of_looks
from pointrend.results.compare import references
from pointrend.results.published import load_published
from pointrend.results.verdict import REPRODUCED, Reference, seeds
from pointrend.settings.project import Project
from pointrend.terminal import table

LISTS = (3, 5, 10, 20)  # planned seeds
MOST = 50  # planned seeds that the least list is looked for among
HISTORIES = 4000  # simulated per list; they give a chance to one point


def outlook(project: Project, runs: Sequence[str]) -> Iterator[str]:
    """A line for each of ``runs``: sigma, the least list of seeds, and the chances of longer ones."""
    known = references(project.params, load_published(project.published_folder, project.params.scale))
    listed = len(project.params.seeds)
    lengths = sorted({*LISTS, *([listed] if listed >= FIRST_LOOK else [])})
    head = ("run", "sigma", "least", *(f"{n} seeds" for n in lengths))
    rows = (
        (run, f"{known[run].spread.sigma:.2f}", _least(known[run]), *(_chance(known[run], n) for n in lengths))
        for run in runs
    )
    yield "\n" + table([head, *rows])
    yield "least: planned seeds that give `reproduced` if they scatter by sigma around the"
    yield "published number; then: the chance that the same recipe is reproduced within"
    yield f"that many, and after how many; params.yaml lists {listed}"


@cache
def _least(reference: Reference) -> str:
    for planned in range(FIRST_LOOK, MOST + 1):
        steps = np.linspace(-1, 1, planned)
        differences = reference.spread.sigma * steps / steps.std(ddof=1)
        if seeds(differences.tolist(), planned, reference).word == REPRODUCED:
            return str(planned)
    return f">{MOST}"


@cache
def _chance(reference: Reference, planned: int) -> str:
    draw, sigma = np.random.default_rng(planned).normal, reference.spread.sigma
    published = draw(0, sigma / math.sqrt(reference.trainings), (HISTORIES, 1))
    differences = draw(0, sigma, (HISTORIES, planned)) - published
    side, equivalent = p_of_looks(differences, reference.sample(), reference.own, reference.rounding)
    found = (side > RATE) & (equivalent <= RATE)
    once = found.any(axis=1)
    if once.mean() < 0.005:
        return "0 %"
    return f"{100 * once.mean():.0f} %, {FIRST_LOOK + found[once].argmax(axis=1).mean():.1f}"
