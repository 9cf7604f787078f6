"""The rules against cases computed by hand (quantiles from printed tables), and against simulated trainings."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmarks import verdicts
from pointrend.results.chance import share_of_look
from pointrend.results.verdict import Reference, Spread, Verdict, headline, one_seed, released, seeds
from pointrend.settings.params import load_params

ASSUMED = Reference(Spread(0.3, "assumed"))
CITYSCAPES = Reference(Spread(0.13, "pairs", 12))
VOC = Reference(Spread(0.5, "pairs", 3))


@pytest.mark.parametrize(
    ("ours", "published", "word"),
    [
        (69.84, 69.84, "matches"),
        (37.82, 37.80, "matches"),  # 0.020000000000003126 in floating point
        (72.29, 72.31, "matches"),
        (37.8201, 37.80, "close"),
        (40.21, 40.26, "close"),
        (40.31, 40.26, "close"),
        (40.2099, 40.26, "differs"),
        (78.851, 78.80, "differs"),
    ],
)
def test_released_weights(ours: float, published: float, word: str) -> None:
    assert released(ours - published) == Verdict(word, n=1)


@pytest.mark.parametrize(
    ("reference", "reach"),
    [
        (ASSUMED, 0.8365),  # 1.960 sqrt(2) 0.3 + 0.005
        (CITYSCAPES, 0.4056),  # t(0.975, 12) = 2.179
        (VOC, 2.2552),  # t(0.975, 3) = 3.182
        (Reference(Spread(0.5, "these", 3), 4, own=True, rounding=0), 1.7790),  # sqrt(1 + 1/4)
    ],
)
def test_one_seed_is_compared_with_another_training(reference: Reference, reach: float) -> None:
    for difference, word in {reach - 1e-3: "consistent", reach + 1e-3: "above", -reach - 1e-3: "below"}.items():
        verdict = one_seed(difference, reference)
        assert (verdict.word, verdict.n, verdict.sigma) == (word, 1, reference.spread.sigma)
        assert verdict.interval == pytest.approx((difference - reach, difference + reach), abs=2e-4)


@pytest.mark.parametrize(
    ("mean", "spread", "reference", "word", "reach"),
    [
        # Our seeds alone: t(0.975, 2) = 4.303, t(0.95, 2) = 2.920, SE = 0.2 sqrt(4/3); the rounding adds 0.005.
        (0.32, 0.2, CITYSCAPES, "reproduced", 0.9986),  # 0.32 + 0.6743 < 0.995
        (-0.323, 0.2, CITYSCAPES, "insufficient", 0.9986),  # 0.9973 < 1, but not with the rounding
        (1.0, 0.2, CITYSCAPES, "above", 0.9986),
        (-1.0, 0.2, CITYSCAPES, "below", 0.9986),
        (0.0, 0.3, ASSUMED, "insufficient", 1.4954),  # 2.920 0.3464 > 1
        # The published side: SE^2 = 0.25 + 0.01/3, degrees (0.25 + 0.0033) / (0.25/3 + 0.0033/2) = 2.98
        (0.0, 0.1, VOC, "insufficient", 1.611),
        # SE^2 = 0.09 + 0.0001/3, normal: 1.960 0.3001; our seeds alone would call it a side.
        (-0.55, 0.01, ASSUMED, "insufficient", 0.593),
        # Published trainings of its own, 4 of them: SE^2 = 0.04/4 + 0.04/3, degrees 7/3 / (1/3 + 4/3/2) = 7/3
        (0.0, 0.2, Reference(Spread(0.2, "these", 3), 4, own=True, rounding=0), "reproduced", 0.5763),
    ],
)
def test_three_seeds_of_three(mean: float, spread: float, reference: Reference, word: str, reach: float) -> None:
    verdict = seeds([mean - spread, mean, mean + spread], 3, reference)
    assert (verdict.word, verdict.n, verdict.next) == (word, 3, "stop")
    assert verdict.interval == pytest.approx((mean - reach, mean + reach), abs=2e-3)


@pytest.mark.parametrize(
    ("spread", "sigma", "source"),
    [
        (0.13, 0.13, "measured over 3 seeds, pooled with pairs; 14 degrees of freedom"),
        (
            0.12,
            math.sqrt((2 * 0.0144 + 12 * 0.0169) / 14),
            "measured over 3 seeds, pooled with pairs; 14 degrees of freedom",
        ),
        (0.5, 0.5, "measured over 3 seeds; not pooled with 0.13 (pairs): F test"),
        (0.01, 0.01, "measured over 3 seeds; not pooled with 0.13 (pairs): F test"),
    ],
)
def test_sigma_is_pooled_by_degrees_of_freedom_where_the_spreads_allow_it(
    spread: float, sigma: float, source: str
) -> None:
    verdict = seeds([-spread, 0, spread], 3, CITYSCAPES)
    assert (verdict.sigma, verdict.source) == (pytest.approx(sigma, abs=1e-5), source)


def test_equal_scores_are_no_proof_and_the_rounding_of_the_published_number_calls_no_side() -> None:
    assert seeds([0.005] * 3, 3, CITYSCAPES).word == "reproduced"
    assert seeds([0.28] * 3, 3, CITYSCAPES).word == "reproduced"  # 2.179 0.13 + 0.005 = 0.288
    assert seeds([0.29] * 3, 3, CITYSCAPES).word == "above"
    own = Reference(Spread(1e-9, "these", 6), 7, own=True)
    assert [seeds([difference] * 3, 3, own).word for difference in (0.0049, 0.0051)] == ["reproduced", "above"]


@pytest.mark.parametrize(("n", "planned"), [(0, 3), (2, 3), (4, 3)])
def test_too_few_seeds_or_more_than_planned_are_not_judged_together(n: int, planned: int) -> None:
    with pytest.raises(ValueError, match="planned"):
        seeds([0.0] * n, planned, ASSUMED)


@pytest.mark.parametrize(
    ("differences", "planned", "word", "then"),
    [
        ([-0.13, 0, 0.13], 3, "reproduced", "stop"),
        ([-0.13, 0, 0.13], 10, "insufficient", "go on"),  # 1/64 of 5 % may be spent at the first of eight looks
        ([-0.13, 0, 0.13, 0.1, -0.1], 10, "reproduced", "stop"),
        ([0.87, 1, 1.13, 1, 1], 10, "above", "stop"),
        ([0.5, 1, 1.5], 10, "insufficient", "futile"),
        ([-1.5, 0, 1.5], 10, "insufficient", "futile"),
        ([-1.5, 0, 1.5], 3, "insufficient", "stop"),
    ],
)
def test_what_to_do_next(differences: list[float], planned: int, word: str, then: str) -> None:
    verdict = seeds(differences, planned, CITYSCAPES)
    assert (verdict.word, verdict.next) == (word, then)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.floats(-5, 5), min_size=3, max_size=8),
    st.floats(0.01, 2),
    st.integers(0, 20),
)
def test_the_other_sign_is_mirrored_and_evidence_never_narrows(
    differences: list[float], sigma: float, degrees: int
) -> None:
    reference = Reference(Spread(sigma, "evidence", degrees))
    mirror = {"above": "below", "below": "above"}
    ours, mirrored = (seeds([sign * value for value in differences], 10, reference) for sign in (1, -1))
    assert mirrored.word == mirror.get(ours.word, ours.word)
    assert ours.interval is not None
    low, high = ours.interval
    assert (low <= 0 <= high) == (ours.word in ("reproduced", "insufficient"))
    n, level = len(differences), 0.025 * share_of_look(len(differences), 10, own=False)
    alone = stats.t.isf(level, n - 1) * statistics.stdev(differences) * math.sqrt(1 + 1 / n)
    assert (high - low) / 2 >= alone * (1 - 1e-9)


def test_a_single_look_may_spend_all_and_later_looks_more_than_earlier_ones() -> None:
    assert share_of_look(3, 3, own=False) == 1
    shares = [share_of_look(n, 10, own=False) for n in range(3, 11)]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1 / 1.3)


@pytest.mark.parametrize("case", verdicts.CASES[:-1], ids=lambda case: case.name)
def test_all_looks_together_keep_the_rates(case: verdicts.Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 histories of 5 % have a standard error of 0.5 %; docs/verdicts.md has 10,000 each, and more cases."""
    monkeypatch.setattr(verdicts, "HISTORIES", 2000)
    for planned in (3, 8):
        side, reproduced, _ = case.shares(planned)
        assert side <= 0.065
        assert reproduced <= 0.065


def row(run: str, word: str, p: float, kind: str = "seeds") -> dict[str, Any]:
    return {"run": run, "kind": kind, "verdict": word, "published_miou": 70.0, "p": {"reproduced": p, "side": p}}


def test_the_headline_counts_by_holm_over_all_runs() -> None:
    """0.05 / 1.3 is divided by 6 for the least p, by 5 for the next: 0.0064, 0.0077."""
    trained = [row(run, "consistent", 0, "trained") for run in "abcdef"]
    cases = {
        (("reproduced", 0.006), ("reproduced", 0.0076)): (2, 0),
        (("reproduced", 0.0065), ("reproduced", 0.0065)): (0, 0),
        (("reproduced", 0.006), ("reproduced", 0.0078)): (1, 0),
        (("below", 0.006), ("reproduced", 0.006)): (1, 1),
        (("insufficient", 0.0), ("above", 0.0)): (0, 1),
    }
    for found, (reproduced, sides) in cases.items():
        rows = [*trained, *(row(run, *each) for run, each in zip("ab", found, strict=True))]
        assert headline(rows) == {"runs": 6, "reproduced": reproduced, "below or above": sides}


def test_the_sigma_in_use_follows_from_the_pairs() -> None:
    datasets = load_params(verdicts.ROOT / "params.yaml").datasets
    found = {name: (round(sigma, 2), degrees) for name, (sigma, degrees) in verdicts.evidence().items()}
    assert found == {name: (dataset.sigma.points, dataset.sigma.degrees) for name, dataset in datasets.items()}
    assert found == {"voc": (0.5, 3), "ade20k": (0.26, 16), "cityscapes": (0.13, 12)}
