"""Every kind of bad input that we could think of, through the real command line: one line, the right exit code, and
nothing of the user's touched."""

from __future__ import annotations

import shlex
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from pointrend.cli import main
from tests.trust import (
    bad_archives,
    bad_audits,
    bad_environment,
    bad_params,
    bad_pictures,
    bad_results,
    bad_trainings,
    bad_weights,
)
from tests.trust.cases import Case
from tests.trust.conftest import MakeGround

CASES = (
    *bad_audits.CASES,
    *bad_params.CASES,
    *bad_archives.CASES,
    *bad_pictures.CASES,
    *bad_trainings.CASES,
    *bad_weights.CASES,
    *bad_results.CASES,
    *bad_environment.CASES,
)


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 80


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bad_input(case: Case, ground_of: MakeGround, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ground = ground_of(case.state)
    with ExitStack() as stack:
        held = case.spoil(ground)
        if isinstance(held, AbstractContextManager):
            stack.enter_context(held)
        before = ground.tree()
        capfd.readouterr()
        code = main(shlex.split(case.command))
        after = ground.tree()
    printed = capfd.readouterr()
    assert code == case.code, printed.err
    assert "Traceback" not in printed.out + printed.err
    assert "SECRET" not in printed.out + printed.err
    assert not list(ground.root.rglob("canary*"))
    assert [path.name for path in tmp_path.iterdir()] == ["checkout"]
    errors = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    if case.code:
        assert len(errors) == 1, printed.err
        assert "; " in errors[0]
        assert len(errors[0]) < 1000
        for word in case.words:
            assert word in errors[0]
        assert after == before
    else:
        assert not errors
        for word in case.words:
            assert word in printed.out + printed.err
    case.then(ground)
