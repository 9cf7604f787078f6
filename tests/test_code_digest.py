"""A stage is redone when a module it imports changes, and only then."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pointrend import code_digest
from pointrend.code_digest import STAGES, code_files


def names(stage: str) -> set[str]:
    return {str(path.relative_to(code_digest.PACKAGE)) for path in code_files(stage)}


def test_training_depends_on_the_maths_and_not_on_the_pages() -> None:
    files = names("train")
    needed = {"training/loop.py", "training/schedule.py", "model/points.py", "model/norm.py", "datasets/transforms.py"}
    assert needed <= files
    assert not [file for file in files if file.startswith(("results", "evaluation", "cli"))]
    assert not {"params.py", "project.py", "errors.py", "files.py", "logs.py"} & files


def test_a_page_depends_on_no_network() -> None:
    assert not [file for file in names("report") if file.startswith(("model", "training"))]


def test_drawing_and_preparing_are_apart() -> None:
    assert any(file.startswith("datasets/demo") for file in names("draw"))
    assert not any(file.startswith("datasets/demo") for file in names("prepare") | names("train"))


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_code(stage: str) -> None:
    assert code_files(stage)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package in which stage ``train`` is a.py, which imports b (inside a function) and c (for types only)."""
    folder = tmp_path / "pointrend"
    folder.mkdir()
    for_types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pointrend.c import C\n"
    monkeypatch.setattr(code_digest, "sha256_of_source", lambda path: hashlib.sha256(path.read_bytes()).hexdigest())
    (folder / "a.py").write_text(for_types + "def f():\n    from pointrend import b\n")
    for name in "bcd":
        (folder / f"{name}.py").write_text("")
    monkeypatch.setattr(code_digest, "PACKAGE", folder)
    monkeypatch.setitem(STAGES, "train", ("pointrend.a",))
    return folder


def digest() -> str:
    code_digest.code_files.cache_clear()
    code_digest.code_digest.cache_clear()
    try:
        return code_digest.code_digest("train")
    finally:
        code_digest.code_files.cache_clear()
        code_digest.code_digest.cache_clear()


@pytest.mark.parametrize(("module", "redone"), [("a", True), ("b", True), ("c", False), ("d", False)])
def test_what_redoes_a_stage(package: Path, module: str, redone: bool) -> None:
    before = digest()
    with open(package / f"{module}.py", "a") as stream:
        stream.write("x = 1\n")
    assert (digest() != before) is redone


EDITED = """
from pathlib import Path
import pointrend.sources as sources
path = sources.PACKAGE / "datasets/ade20k.py"
{hash_it}
path.write_text(path.read_text() + "\\n")
from pointrend.errors import CheckFailed
try:
    import pointrend.datasets.ade20k
except CheckFailed as changed:
    print(changed)
"""


@pytest.mark.parametrize("hashed", [True, False])
def test_a_module_that_is_edited_between_its_hash_and_its_import_is_not_run(hashed: bool, tmp_path: Path) -> None:
    shutil.copytree(code_digest.PACKAGE, tmp_path / "pointrend")
    script = EDITED.format(hash_it="sources.sha256_of_source(path)" if hashed else "")
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (tmp_path / "pointrend/datasets/ade20k.py").read_text() != (
        code_digest.PACKAGE / "datasets/ade20k.py"
    ).read_text()
    assert ("ade20k.py was changed while this command was starting" in run.stdout) is hashed
