"""Every module that is imported while a stage runs is part of its digest, or is left out for a reason."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pointrend.code_digest import LEFT_OUT, LEFT_OUT_OF
from tests.workflow.checkout import Checkout

STAGES = {
    "prepare": ("prepare", "voc"),
    "train": ("train", "voc_r50"),
    "evaluate": ("evaluate", "voc_r50"),
    "compare": ("compare",),
    "report": ("report",),
}
OF_DATASETS = ("prepare", "train", "evaluate")
RUN_STAGE = """
import json, sys
from pointrend.cli import main
code = main(sys.argv[2:])
names = {name: module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "pointrend"}
json.dump([code, names], open(sys.argv[1], "w"))
"""
EDIT_EACH = """
import json, sys
from pathlib import Path
from pointrend import code_digest, sources
def digest(stage, *more):
    for cached in (code_digest.code_files, code_digest.code_digest, code_digest._imports):
        cached.cache_clear()
    sources._compiled.clear()
    sources._hashed.clear()
    return code_digest.code_digest(stage, *more)
words, modules, unnoticed = json.loads(sys.argv[1]), json.loads(sys.argv[2]), []
before = digest(*words)
for name, file in modules.items():
    text = Path(file).read_text()
    Path(file).write_text(text + "# edited\\n")
    if digest(*words) == before:
        unnoticed.append(name)
    Path(file).write_text(text)
assert digest(*words) == before
print(json.dumps(sorted(unnoticed)))
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which everything has run once."""
    checkout = Checkout.of_voc(tmp_path_factory.mktemp("code") / "pointrend")
    checkout.snakemake()
    return checkout


@pytest.mark.parametrize("stage", STAGES)
def test_every_module_that_a_stage_imports_counts(done: Checkout, stage: str, tmp_path: Path) -> None:
    done.run("python", "-c", RUN_STAGE, str(tmp_path / "modules"), "--scale", "demo", *STAGES[stage])
    code, modules = json.loads((tmp_path / "modules").read_text())
    assert code == 0
    assert len(modules) > 20
    assert {Path(file).is_relative_to(done.root) for file in modules.values()} == {True}
    words = [stage, "pointrend.datasets.voc"] if stage in OF_DATASETS else [stage]
    unnoticed = json.loads(done.run("python", "-c", EDIT_EACH, json.dumps(words), json.dumps(modules)))
    whole_packages = {name for name in modules if Path(modules[name]).name == "__init__.py"}
    left_out = LEFT_OUT.keys() | LEFT_OUT_OF.get(stage, {}).keys() | {"pointrend.cli"}
    assert set(unnoticed) - left_out - whole_packages == set()


def test_what_is_left_out_is_there_and_has_a_reason() -> None:
    root = Path(__file__).parents[2]
    for name, reason in {
        **LEFT_OUT,
        **{key: why for part in LEFT_OUT_OF.values() for key, why in part.items()},
    }.items():
        base = root.joinpath(*name.split("."))
        assert base.with_suffix(".py").is_file() or (base / "__init__.py").is_file(), name
        assert len(reason.split()) > 3, name


def test_old_bytecode_is_never_run(done: Checkout, tmp_path: Path) -> None:
    """A source with the size and time of the one that its bytecode was made from, but with other content."""
    copy = done.copy(tmp_path / "pointrend")
    schedule = copy.root / "pointrend/training/schedule.py"
    program = "from pointrend.training.schedule import learning_rate as r; print(r(0, 9, 1.0, 1.0, 0.0, 0, 0.0))"
    copy.run("python", "-m", "compileall", "-q", str(schedule))
    assert copy.run("python", "-c", program) == "1.0\n"
    before, text = schedule.stat(), schedule.read_text()
    assert "decayed = (1 -" in text
    schedule.write_text(text.replace("decayed = (1 -", "decayed = (2 -"))
    os.utime(schedule, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert schedule.stat().st_size == before.st_size
    assert copy.run("python", "-c", program) == "2.0\n"
