"""The verifier's own arithmetic gives what the project's gives."""

from __future__ import annotations

import random
import statistics

import pytest
from scipy import special

from pointrend.results.crate import verify_crate
from pointrend.results.verdict import Reference, Spread, Verdict, one_seed, seeds


@pytest.mark.parametrize("x", [1e-9, 0.01, 0.3, 0.5, 0.9, 1 - 4e-6])
@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (1, 8), (1.37, 0.5), (8, 6), (5e5, 0.5)])
def test_incomplete_beta(x, a, b):
    assert verify_crate.beta_share(x, a, b) == pytest.approx(special.betainc(a, b, x), rel=1e-7, abs=1e-300)


def row(verdict: Verdict, difference: float) -> dict:
    judged = {"sigma": verdict.sigma, "n": verdict.n, "interval": verdict.interval, "p": verdict.p}
    return {"run": "voc_r50", "difference": difference} | judged


def test_verdicts_of_random_trainings():
    words = set()
    draw = random.Random(1)
    for _ in range(300):
        degrees, k, planned = draw.choice((0, 3, 12, 16)), draw.choice((1, 3, 7)), draw.choice((3, 5, 10, 20))
        sigma, rounding, own = draw.choice((0.1, 0.5, 3)), draw.choice((0, 0.005)), degrees > 0 and draw.random() < 0.3
        true, scatter = draw.choice((0, -0.4, 2)), draw.choice((0.05, 0.1, 0.5, 2))
        found = [draw.gauss(true, scatter) for _ in range(draw.randint(3, planned))]
        theirs = Reference(Spread(sigma, "drawn", degrees), k, own, rounding)
        known = (sigma**2, degrees or verify_crate.KNOWN, k, own, rounding)
        for differences, verdict in ((found, seeds(found, planned, theirs)), (found[:1], one_seed(found[0], theirs))):
            assert (
                verify_crate.judge(row(verdict, statistics.fmean(differences)), differences, planned, *known)
                == verdict.word
            )
            words.add(verdict.word)
    assert words == {"reproduced", "insufficient", "below", "above", "consistent"}
