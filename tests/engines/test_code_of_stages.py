"""Every module that is imported while a stage runs is in one of its units, or cannot change its result."""

import json
import os
from pathlib import Path

import pytest

from pointrend.checkout.code_digest import ELSEWHERE, PACKAGE, code_files

STAGES = {
    "prepare": ("prepare", "voc"),
    "train": ("train", "voc_r50"),
    "evaluate": ("evaluate", "voc_r50"),
    "compare": ("compare",),
    "report": ("report",),
}
RUN_STAGE = """
import json, sys
from pointrend.cli import main
code = main(sys.argv[2:])
names = {name: module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "pointrend"}
json.dump([code, names], open(sys.argv[1], "w"))
"""


@pytest.fixture(scope="module")
def done(by_snakemake, tmp_path_factory):
    return by_snakemake.copy(tmp_path_factory.mktemp("code") / "pointrend")


@pytest.mark.parametrize("stage", STAGES)
def test_every_module_that_a_stage_imports_counts(done, stage, tmp_path):
    done.run("python", "-c", RUN_STAGE, str(tmp_path / "modules"), "--scale", "demo", *STAGES[stage])
    code, modules = json.loads((tmp_path / "modules").read_text())
    assert code == 0
    assert len(modules) > 20
    assert {Path(file).is_relative_to(done.root) for file in modules.values()} == {True}
    units = {done.root / "pointrend" / path.relative_to(PACKAGE) for path in code_files(stage, "voc")}
    rest = [done.root / "pointrend" / room for room in ELSEWHERE]
    for file in map(Path, modules.values()):
        own = file.parent.name == "pointrend" or file.name == "__init__.py"  # the command line; packages' empty files
        assert file in units or own or any(file.is_relative_to(room) for room in rest), file


def test_old_bytecode_is_never_run(done, tmp_path):
    """A source with the size and time of the one that its bytecode was made from, but with other content."""
    copy = done.copy(tmp_path / "pointrend")
    schedule = copy.root / "pointrend/training/schedule.py"
    recipe = "types.SimpleNamespace(lr=1.0, poly_power=1.0, min_lr_ratio=0.0, warmup_iterations=0)"
    program = f"import types; from pointrend.training.schedule import learning_rate as r; print(r({recipe}, 0, 9))"
    copy.run("python", "-m", "compileall", "-q", str(schedule))
    assert copy.run("python", "-c", program) == "1.0\n"
    before, text = schedule.stat(), schedule.read_text()
    assert "decayed = (1 -" in text
    schedule.write_text(text.replace("decayed = (1 -", "decayed = (2 -"))
    os.utime(schedule, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert schedule.stat().st_size == before.st_size
    assert copy.run("python", "-c", program) == "2.0\n"
