"""The mistakes that test_wiring.py has to see can still be made."""

from __future__ import annotations

import ast

import pytest

from tests.tiny import ROOT
from tests.training.mutations import MUTATIONS, PARAMS, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.name for mutation in MUTATIONS])
def test_a_mistake_has_one_place_and_leaves_code_that_runs(mutation: Mutation) -> None:
    wrong = mutation.applied(ROOT)
    assert wrong != (ROOT / mutation.file).read_text()
    if mutation.file != PARAMS:
        ast.parse(wrong)


def test_every_mistake_has_a_name_of_its_own() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)
