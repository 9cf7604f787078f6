"""The code of a stage is some folders of the package."""

import hashlib
import shutil
import subprocess
import sys

import pytest

from pointrend.checkout import code_digest
from pointrend.checkout.code_digest import ELSEWHERE, UNITS, code_files


@pytest.mark.parametrize("stage", UNITS)
def test_every_unit_is_there(stage):
    for unit in UNITS[stage]:
        assert (code_digest.PACKAGE / unit.format(dataset="voc")).exists()
    assert code_files(stage, "voc")


def test_what_cannot_change_a_result_is_there_and_has_a_reason():
    for room, reason in ELSEWHERE.items():
        assert (code_digest.PACKAGE / room).exists(), room
        assert len(reason.split()) > 3, room


@pytest.mark.parametrize("suffix", ["py", "css", "txt"])
def test_any_source_in_a_unit_counts(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(code_digest, "PACKAGE", tmp_path)
    monkeypatch.setattr(code_digest, "sha256_of_source", lambda path: hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setitem(UNITS, "train", ("model",))
    new = tmp_path / "model" / "deep" / f"new.{suffix}"
    new.parent.mkdir(parents=True)
    digests = []
    for content in (None, "", "x = 1"):
        if content is not None:
            new.write_text(content)
        code_digest.code_files.cache_clear()
        code_digest.code_digest.cache_clear()
        digests.append(code_digest.code_digest("train", "none"))
    assert len(set(digests)) == (1 if suffix == "txt" else 3)


EDITED = """
from pathlib import Path
import pointrend.checkout.sources as sources
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
def test_a_module_that_is_edited_between_its_hash_and_its_import_is_not_run(hashed, tmp_path):
    shutil.copytree(code_digest.PACKAGE, tmp_path / "pointrend")
    script = EDITED.format(hash_it="sources.sha256_of_source(path)" if hashed else "")
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (tmp_path / "pointrend/datasets/ade20k.py").read_text() != (
        code_digest.PACKAGE / "datasets/ade20k.py"
    ).read_text()
    assert ("ade20k.py was changed while this command was starting" in run.stdout) is hashed
