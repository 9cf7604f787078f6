"""The tests that hold pages against programs notice what they are there for."""

from __future__ import annotations

import pytest

from tests.pages import not_printed

PRINTED = """\
job      count
-----  -------
train        2
total       12

voc_r50      7.13%
commit 1234567a

commit 1234567a
"""


@pytest.mark.parametrize(
    "quoted",
    [
        [
            "job        count",
            "-----  -------",
            "train   2",
            "total  12",
            "",
            "voc_r50  79.11%",
            "commit abcdef0",
            "",
            "commit …",
        ],
        ["…", "train   2", "…", "commit abcdef0"],
        ["…", "voc_r50  …", "…"],
        ["…", "commit …"],
        ["job count", "…"],
    ],
)
def test_a_quote_holds(quoted: list[str]) -> None:
    assert not_printed(tuple(quoted), PRINTED, {}) is None


@pytest.mark.parametrize(
    ("quoted", "missing"),
    [
        (["…", "train   3", "…"], "train   3"),  # another whole number
        (["train   2", "…"], "train   2"),  # something stands before it
        (["…", "train   2"], "train   2"),  # something comes after it
        (["job count", "…", "total 12"], "total 12"),
        (["…", "total  12", "…", "train  2", "…"], "train  2"),  # the other way round
        (["…", "train   2", "", "…"], "train   2"),  # a line between them
        (["…", "voc_r50  7%", "…"], "voc_r50  7%"),
        (["…", "commit", "…"], "commit"),
    ],
)
def test_a_quote_does_not_hold(quoted: list[str], missing: str) -> None:
    assert not_printed(tuple(quoted), PRINTED, {}) == missing


def test_other_numbers_are_those_of_the_smaller_settings() -> None:
    assert not_printed(("…", "train  6", "total  24", "…"), PRINTED, {"6": "2", "24": "12"}) is None
    assert not_printed(("…", "train  6", "total  24", "…"), PRINTED, {"6": "2", "24": "…"}) is None
    assert not_printed(("…", "train  6", "…"), PRINTED, {"6": "12"}) == "train  6"
