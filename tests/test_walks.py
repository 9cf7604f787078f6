"""docs/walks.md, typed anew: what it quotes is what is printed.

The laptop's walk is typed in a tiny checkout with one of the six runs, and without installing anything.
tests/test_extending.py types the walk with a dataset of one's own, and tests/slurm does what the cluster's walk shows.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import yaml

from tests.pages import CUT, ROOT, Step, session
from tests.replay import check, replay
from tests.workflow.checkout import Checkout, copy_parts

PAGE = "docs/walks.md"
LEFT_OUT = ("git clone", "make lint", "make docs")
"""The checkout is a copy; .ci/run has the linters, tests/test_docs.py the pages."""
IN_THE_CODE = ("pointrend", "tests", "Makefile", "requirements.lock", "pyproject.toml", "params.yaml", ".gitignore")


def typed(heading: str) -> list[Step]:
    """The steps of a walk that are typed here."""
    return [step for step in session(PAGE, heading) if not step.command.startswith(LEFT_OUT)]


def with_environment(root: Path) -> None:
    """Put in place what ``make`` finds where everything is installed: the environment of these tests; and commit."""
    (root / ".venv").mkdir()
    (root / ".venv/bin").symlink_to(Path(sys.executable).parent)
    (root / ".venv/installed").touch()
    Checkout.at(root).commit()


def test_on_a_laptop(tmp_path: Path) -> None:
    checkout = Checkout.of_voc(tmp_path / "pointrend")
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, checkout.root)
    params = checkout.params()
    del params["runs"]["voc_r101"], params["published"]["voc_r101"], params["backbones"]["r101"]
    (checkout.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False, default_flow_style=None))
    with_environment(checkout.root)
    others = ("voc_r101", "ade20k_", "cityscapes_")
    steps = [
        Step(step.command, tuple(line for line in step.printed if not line.startswith(others)))
        for step in typed("## On a laptop")
    ]
    as_here = {
        "make demo": {"24": "9", "5": "2", "3": "1", "6": "1", "720": "4", "12": "2"},
        "pointrend --scale demo verify": {"123": CUT, "6": "1"},
    }
    check(steps, replay(checkout.root, steps), as_here)


def test_a_published_number(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "pointrend")
    shutil.copytree(ROOT / "tests/golden/logs", checkout.root / "tests/golden/logs")
    steps = typed("## A published number")
    check(steps, replay(checkout.root, steps), {})


def test_into_the_code(tmp_path: Path) -> None:
    root = tmp_path / "pointrend"
    copy_parts(root, IN_THE_CODE)
    with_environment(root)
    steps = typed("## Into the code")
    check(steps, replay(root, steps), {})
