from __future__ import annotations

import math

import pytest

from pointrend.evaluation.selection import chosen_pictures


@pytest.mark.parametrize(
    ("mious", "first", "expected"),
    [
        ([50.0, 90.0, 10.0], 0, {1: ("best",), 0: ("median",), 2: ("worst",)}),
        ([50.0, 90.0, 10.0, 60.0], 0, {1: ("best",), 0: ("median",), 2: ("worst",)}),
        ([7.0], 3, {0: ("best", "median", "worst", "first")}),
        ([7.0, 7.0, 7.0], 0, {0: ("best", "worst"), 1: ("median",)}),
        ([7.0, 9.0, 9.0, 7.0], 0, {1: ("best",), 3: ("median",), 0: ("worst",)}),
        ([math.nan, 8.0, 4.0, math.nan], 1, {1: ("best",), 2: ("median", "worst"), 0: ("first",)}),
        ([math.nan], 0, {}),
    ],
)
def test_what_is_drawn(mious: list[float], first: int, expected: dict[int, tuple[str, ...]]) -> None:
    assert chosen_pictures(mious, first) == expected


def test_the_order_is_that_in_which_they_are_shown() -> None:
    assert list(chosen_pictures([50.0, 90.0, 10.0, 60.0, 20.0], 4)) == [1, 0, 2, 3]
