"""Which verdicts register a model, and under which alias."""

from __future__ import annotations

from typing import Any

import pytest

from pointrend.tracking.registry import alias_for
from tests.tracking.projects import consistent, row


def whole(verdict: str) -> dict[str, Any]:
    return row(seed=None, kind="seeds", verdict=verdict)


RELEASED = row(seed=None, kind="released", verdict="matches")


@pytest.mark.parametrize(
    ("rows", "alias", "seeds"),
    [
        ([row()], None, []),
        ([row(verdict="unverified")], None, []),
        ([row(verdict="below"), RELEASED], None, []),
        ([consistent()], "consistent", [0]),
        ([consistent(), row(seed=1, verdict="above"), consistent(seed=2)], "consistent", [0, 2]),
        ([consistent(), consistent(seed=1), whole("insufficient")], "consistent", [0, 1]),
        ([consistent(), consistent(seed=1), whole("reproduced")], "reproduced", [0, 1]),
        ([consistent(), consistent(seed=1), whole("below")], None, []),
        ([consistent(), whole("above")], None, []),
        ([], None, []),
    ],
)
def test_what_a_model_may_be_called(rows: list[dict[str, Any]], alias: str | None, seeds: list[int]) -> None:
    assert alias_for(rows) == (alias, seeds)
