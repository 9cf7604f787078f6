"""docs/walks.md, typed again: what it quotes is what is printed.

The laptop's walk is typed in a tiny checkout with one of the six runs, and without installing anything.
tests/test_extending.py types the walk with your own dataset, and tests/slurm does what the cluster's walk shows.
"""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from tests.pages import CUT, ROOT, check, replay, session
from tests.workflow.checkout import Checkout, copy_parts

MAKES = ("Makefile", "requirements.lock", "pyproject.toml")
LEFT_OUT = ("git clone", "make lint", "make docs")  # this is a copy; .ci/run lints, tests/test_docs.py builds the pages


def walk(heading: str, root: Path, as_here: Mapping[str, Mapping[str, str]]) -> None:
    """Type a walk in the checkout ``root``; ``as_here``: numbers that are other ones there, by command."""
    steps = [step for step in session("docs/walks.md", heading) if not step.command.startswith(LEFT_OUT)]
    check(steps, replay(root, steps), as_here)


def with_environment(root: Path) -> Path:
    """Add what ``make`` finds if everything is installed, the environment of these tests, and commit."""
    (root / ".venv").mkdir()
    (root / ".venv/bin").symlink_to(Path(sys.executable).parent)
    (root / ".venv/installed").touch()
    Checkout.at(root).commit()
    return root


def test_on_a_laptop(tmp_path):
    checkout = Checkout.of_voc(tmp_path / "pointrend")
    for name in MAKES:
        shutil.copy(ROOT / name, checkout.root)
    params = checkout.params()
    del params["runs"]["voc_r101"], params["published"]["voc_r101"], params["backbones"]["r101"]
    # One line per run, as in the real file.
    (checkout.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False, default_flow_style=None))
    as_here = {
        "make demo": {"24": "9", "5": "2", "3": "1", "6": "1", "720": "4", "12": "2"},
        "pointrend --scale demo verify": {"155": CUT, "6": "1"},
    }
    walk("## On a laptop", with_environment(checkout.root), as_here)


def test_a_published_number(tmp_path):
    checkout = Checkout(tmp_path / "pointrend")
    shutil.copytree(ROOT / "tests/golden/logs", checkout.root / "tests/golden/logs")
    walk("## A published number", checkout.root, {})


def test_into_the_code(tmp_path):
    copy_parts(tmp_path / "pointrend", ("pointrend", "tests", *MAKES, "params.yaml", ".gitignore"))
    walk("## Into the code", with_environment(tmp_path / "pointrend"), {})
