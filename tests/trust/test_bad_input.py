"""Every kind of bad input that we could think of, through the real command line: one line, the right exit code, and
nothing of the user's touched."""

import shlex

import pytest

from pointrend.cli import main
from tests.trust import (
    bad_archives,
    bad_audits,
    bad_environment,
    bad_images,
    bad_params,
    bad_results,
    bad_trainings,
    bad_weights,
)
from tests.trust.cases import Case, both

TABLES = (
    *(bad_audits, bad_params, bad_archives, bad_images),
    *(bad_trainings, bad_weights, bad_results, bad_environment),
)
CASES: tuple[Case, ...] = tuple(case for table in TABLES for case in table.CASES)


def test_every_case_has_a_name_of_its_own():
    assert len({case.name for case in CASES}) == len(CASES) >= 290


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bad_input(case, ground_of, tmp_path, capfd):
    ground = ground_of(case.state)
    with both(case.spoil)(ground):
        before = ground.tree()
        capfd.readouterr()
        code = main(shlex.split(case.command))
        after = ground.tree()
    printed = capfd.readouterr()
    text = printed.out + printed.err
    assert code == case.code, printed.err
    assert "Traceback" not in text
    assert "SECRET" not in text
    assert not list(ground.root.rglob("canary*"))
    assert [path.name for path in tmp_path.iterdir()] == ["checkout"]
    errors = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    if case.code:
        assert len(errors) == 1, printed.err
        assert "; " in errors[0]
        assert len(errors[0]) < 1000
        assert after == before
    else:
        assert not errors
    assert case.missing(errors[0] if errors else text) == [], text
    case.then(ground)
