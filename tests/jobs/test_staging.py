"""A copy of the data on the node's own disk is of one training, and what lies there already is never read."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pointrend.datasets.intact import split_files
from pointrend.errors import CheckFailed
from pointrend.jobs import staging
from pointrend.jobs.staging import training_data
from pointrend.training.distributed import Processes
from tests.tiny import ROOT, write_tiny_data

ALONE = Processes(0, 1, torch.device("cpu"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = write_tiny_data(tmp_path / "data")
    return folder


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_a_copy_is_whole_private_and_removed(data: Path, temporary: Path) -> None:
    with training_data(data, ALONE, copy=True) as copy, training_data(data, ALONE, copy=True) as other:
        assert copy.parent == temporary
        assert copy != other
        names = {"manifest.json", *split_files("train")}
        assert {path.name: path.read_bytes() for path in copy.iterdir()} == {
            name: (data / name).read_bytes() for name in names
        }
        assert stat.S_IMODE(copy.stat().st_mode) == 0o700
    assert list(temporary.iterdir()) == []


def test_without_a_copy_the_data_are_read_where_they_are(data: Path, temporary: Path) -> None:
    with training_data(data, ALONE, copy=False) as folder:
        assert folder == data
    assert data.is_dir()


@pytest.mark.parametrize("copy", [False, True])
def test_other_bytes_than_were_prepared_are_refused(data: Path, temporary: Path, copy: bool) -> None:
    labels = data / "train.labels.bin"
    labels.write_bytes(bytes(labels.stat().st_size))
    with pytest.raises(CheckFailed, match=r"train\.labels\.bin does not have"), training_data(data, ALONE, copy):
        pass
    assert list(temporary.iterdir()) == []


def test_a_copy_that_went_wrong_is_refused(data: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copyfile = shutil.copyfile

    def short(source: Path, target: Path) -> None:
        copyfile(source, target)
        if target.name == "train.pictures.bin":
            os.truncate(target, 10)

    monkeypatch.setattr("shutil.copyfile", short)
    with pytest.raises(CheckFailed, match=r"train\.pictures\.bin does not have"), training_data(data, ALONE, copy=True):
        pass
    assert list(temporary.iterdir()) == []


def foreign(folder: Path) -> None:
    folder.mkdir()
    (folder / "train.labels.bin").write_bytes(b"of somebody else")


@pytest.mark.parametrize("hostile", [foreign, lambda folder: folder.symlink_to("/"), Path.touch])
def test_what_has_the_name_already_is_never_read(
    data: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch, hostile: Callable[[Path], object]
) -> None:
    """Nobody can guess the name; if somebody did, the training ends."""
    monkeypatch.setattr(Processes, "token", lambda _: 7)
    monkeypatch.setattr(staging, "remove_leftovers", lambda _: None)
    hostile(temporary / f"pointrend-{7:016x}")
    with pytest.raises(OSError, match="pointrend-"), training_data(data, ALONE, copy=True):
        pass


def test_what_a_killed_training_left_is_removed_and_nothing_else(data: Path, temporary: Path) -> None:
    killed, others = (
        temporary / f"pointrend-{1:016x}",
        [temporary / "pointrend-mine", temporary / f"pointrend-{2:016x}"],
    )
    shutil.copytree(data, killed)
    others[0].mkdir()
    others[1].write_text("a file")
    with training_data(data, ALONE, copy=True) as living:
        staging.remove_leftovers(temporary)
        assert sorted(temporary.iterdir()) == sorted([*others, living])


WORKER = """
import os, sys, tempfile
from pathlib import Path
from pointrend.training.distributed import join_processes
from pointrend.jobs.staging import training_data

with join_processes(2, "cpu", 1) as processes, training_data(Path(sys.argv[1]), processes, copy=True) as copy:
    assert (copy / "train.pictures.bin").is_file()
    print("read", copy, len(os.listdir(tempfile.gettempdir())), flush=True)
    processes.wait()
"""


def test_processes_of_one_node_share_a_copy(data: Path, temporary: Path, tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(WORKER)
    command = [sys.executable, "-m", "pointrend.jobs.torchrun", "--standalone", "--nproc-per-node=2"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TMPDIR": str(temporary)}
    ran = subprocess.run(
        [*command, str(tmp_path / "worker.py"), str(data)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    read = [line.split()[1] for line in ran.stdout.splitlines() if line.startswith("read ")]
    assert len(read) == 2
    assert read[0] == read[1]
    assert not list(temporary.glob("pointrend-*"))
