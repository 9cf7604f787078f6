"""The comparison of pages with programs notices what it should."""

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
    ("quoted", "as_here", "missing"),  # lines end at "|"
    [
        ("job        count|-----  -------|train   2|total  12||voc_r50  79.11%|commit abcdef0||commit …", {}, None),
        ("…|train   2|…|commit abcdef0", {}, None),
        ("…|voc_r50  …|…", {}, None),
        ("…|commit …", {}, None),
        ("job count|…", {}, None),
        ("…|train   3|…", {}, "train   3"),  # another whole number
        ("train   2|…", {}, "train   2"),  # something is printed before it
        ("…|train   2", {}, "train   2"),  # something is printed after it
        ("job count|…|total 12", {}, "total 12"),
        ("…|total  12|…|train  2|…", {}, "train  2"),  # in another order
        ("…|train   2||…", {}, ""),  # no empty line there
        ("…|voc_r50  7%|…", {}, "voc_r50  7%"),
        ("…|commit|…", {}, "commit"),
        ("", {}, ""),  # something is printed
        # Other numbers are those of smaller settings.
        ("…|train  6|total  24|…", {"6": "2", "24": "12"}, None),
        ("…|train  6|total  24|…", {"6": "2", "24": "…"}, None),
        ("…|train  6|…", {"6": "12"}, "train  6"),
    ],
)
def test_quotes_are_compared_with_what_is_printed(quoted, as_here, missing):
    assert not_printed(tuple(quoted.split("|")), PRINTED, as_here) == missing


def test_no_quote_means_that_nothing_is_printed():
    assert not_printed((), "", {}) is None
    assert not_printed((), "a line\n", {}) == "a line\n"
