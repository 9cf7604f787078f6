"""The rules against cases computed by hand (quantiles from printed tables), and against simulated trainings."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointrend.results.verdict import Spread, Verdict, one_seed, pooled, released, seeds

ASSUMED = Spread(0.3, "assumed")


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
    ("difference", "word"),
    [(0.0, "consistent"), (0.83, "consistent"), (-0.83, "consistent"), (0.84, "above"), (-0.84, "below")],
)
def test_one_seed_is_compared_with_another_training(difference: float, word: str) -> None:
    """1.96 sqrt(2) 0.3 = 0.8315, also where sigma is measured."""
    verdict = one_seed(difference, ASSUMED)
    assert (verdict.word, verdict.n, verdict.sigma) == (word, 1, 0.3)
    assert verdict.interval == pytest.approx((difference - 0.8315, difference + 0.8315), abs=5e-5)
    assert one_seed(difference, Spread(0.3, "measured", 2)) == verdict


@pytest.mark.parametrize(
    ("mean", "sigma", "degrees", "word", "reach"),
    [
        # t(0.975, 2) = 4.303, t(0.95, 2) = 2.920; SE = sigma sqrt(4/3)
        (0.0, 0.2, 2, "reproduced", 0.9936),  # 0.6743 to spare
        (0.32, 0.2, 2, "reproduced", 0.9936),  # 0.32 + 0.6743 < 1
        (0.33, 0.2, 2, "insufficient", 0.9936),  # 0.33 + 0.6743 > 1
        (-0.33, 0.2, 2, "insufficient", 0.9936),
        (0.0, 0.3, 2, "insufficient", 1.4904),  # 1.0115 > 1: three seeds cannot show it
        (0.98, 0.2, 2, "insufficient", 0.9936),
        (1.0, 0.2, 2, "above", 0.9936),
        (-1.0, 0.2, 2, "below", 0.9936),
        # t(0.975, 4) = 2.776, t(0.95, 4) = 2.132
        (0.25, 0.3, 4, "reproduced", 0.9617),  # 0.25 + 0.7385 < 1
        (0.27, 0.3, 4, "insufficient", 0.9617),
        (0.97, 0.3, 4, "above", 0.9617),
    ],
)
def test_three_seeds(mean: float, sigma: float, degrees: int, word: str, reach: float) -> None:
    verdict = seeds([mean - 0.1, mean, mean + 0.1], Spread(sigma, "measured", degrees))
    assert (verdict.word, verdict.n, verdict.sigma) == (word, 3, sigma)
    assert verdict.interval == pytest.approx((mean - reach, mean + reach), abs=1e-4)


def test_an_outlying_mean_is_never_reproduced_however_sure() -> None:
    """A sigma of 0.01 shows equivalence within a point of a run that is 0.5 below; it is below all the same."""
    assert seeds([-0.5] * 3, Spread(0.01, "measured", 2)).word == "below"


def test_seeds_with_an_assumed_sigma_are_compared_with_the_normal_distribution() -> None:
    """1.96 0.3 sqrt(1 + 1/5) = 0.6441."""
    assert seeds([0.0] * 5, ASSUMED).interval == pytest.approx((-0.6441, 0.6441), abs=1e-4)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_than_three_seeds_are_not_judged_together(n: int) -> None:
    with pytest.raises(ValueError, match="too few"):
        seeds([0.0] * n, ASSUMED)


def test_sigma_is_pooled_over_backbones_and_not_over_their_means() -> None:
    """Squares 2 + 6 around the means 70 and 73, degrees 2 + 2."""
    measured = pooled([[69.0, 70.0, 71.0], [73.0 - math.sqrt(3), 73.0, 73.0 + math.sqrt(3)]])
    assert measured is not None
    assert measured.sigma == pytest.approx(math.sqrt(8 / 4))
    assert (measured.degrees, measured.source) == (4, "measured over 3 + 3 seeds, 4 degrees of freedom")


def test_backbones_with_two_seeds_do_not_measure() -> None:
    assert pooled([[1.0, 2.0], [5.0]]) is pooled([]) is None
    both = pooled([[1.0, 9.0], [1.0, 2.0, 3.0]])
    assert both == Spread(1.0, "measured over 3 seeds, 2 degrees of freedom", 2)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.floats(-5, 5), min_size=3, max_size=8),
    st.floats(0.01, 2),
    st.integers(2, 20),
)
def test_the_other_sign_gives_the_mirrored_verdict(differences: list[float], sigma: float, degrees: int) -> None:
    spread = Spread(sigma, "measured", degrees)
    mirror = {"above": "below", "below": "above"}
    ours, mirrored = seeds(differences, spread), seeds([-value for value in differences], spread)
    assert mirrored.word == mirror.get(ours.word, ours.word)
    assert ours.interval is not None
    low, high = ours.interval
    assert (low <= 0 <= high) == (ours.word in ("reproduced", "insufficient"))


def words(true_difference: float, sigma: float, n: int, repeats: int = 2000) -> dict[str, float]:
    """Shares of the verdicts where n trainings of two backbones are compared with one published training each."""
    draw = np.random.default_rng(20).normal
    found: dict[str, float] = {}
    for _ in range(repeats):
        published = draw(0, sigma)
        ours, other = draw(true_difference, sigma, n) - published, draw(0, sigma, n)
        measured = pooled([ours.tolist(), other.tolist()])
        assert measured is not None
        word = seeds(ours.tolist(), measured).word
        found[word] = found.get(word, 0) + 1 / repeats
    return found


@pytest.mark.parametrize("sigma", [0.1, 0.3, 1.0])
def test_the_same_recipe_is_outside_in_one_case_of_twenty(sigma: float) -> None:
    """2,000 cases of 5 % have a standard error of 0.5 %."""
    found = words(0.0, sigma, n=3)
    assert found.get("below", 0) + found.get("above", 0) == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize("sigma", [0.1, 0.2, 0.3, 0.6])
@pytest.mark.parametrize("true_difference", [1.0, -1.0])
def test_a_difference_of_one_point_is_hardly_ever_called_reproduced(true_difference: float, sigma: float) -> None:
    """Each of the two one-sided tests errs in 5 % of the cases at the margin itself."""
    assert words(true_difference, sigma, n=3).get("reproduced", 0) <= 0.05 + 0.015


def test_more_seeds_make_the_same_recipe_reproduced() -> None:
    shares = [words(0.0, 0.3, n).get("reproduced", 0) for n in (3, 5, 8)]
    assert shares == sorted(shares)
    assert shares[0] > 0.3
    assert shares[-1] > 0.7


def test_one_seed_of_the_same_recipe_is_outside_in_one_case_of_twenty() -> None:
    draws = np.random.default_rng(3).normal(0, 0.3, (20000, 2))
    outside = [one_seed(ours - published, ASSUMED).word != "consistent" for ours, published in draws[:2000]]
    assert np.mean(outside) == pytest.approx(0.05, abs=0.015)
