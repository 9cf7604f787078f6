"""`pointrend train` with several processes, without any engine: by its own launcher, and by torchrun typed by hand."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pointrend.errors import TrainingStopped
from tests.tiny import ROOT, TINY, write_tiny_store

ITERATIONS = 24
SETTING = (*TINY, "gpus=2", "epochs=8", "checkpoint_minutes=60")
TRAIN = ["--scale", "demo", *(word for override in SETTING for word in ("--set", override)), "train", "voc_r50"]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with prepared data and nothing else."""
    root = tmp_path_factory.mktemp("empty")
    shutil.copy(ROOT / "params.yaml", root)
    write_tiny_store(root / "data/demo/voc")
    (root / "data/demo/voc/manifest.json").write_text('{"content": "tiny", "files": {}}')
    return root


def start(root: Path, *command: str) -> subprocess.Popen[bytes]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("POINTREND_", "SLURM_"))}
    env |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=root, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=240)
    return process.returncode, errors.decode()


def result(root: Path) -> tuple[bytes, dict]:
    folder = root / "runs/demo/voc_r50-s0"
    return (folder / "model.safetensors").read_bytes(), json.loads((folder / "train.json").read_text())


def iterations(root: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in root.glob("checkpoints/demo/voc_r50-s0/*/metrics.jsonl"))


def test_torchrun_by_hand_and_a_stopped_launcher_end_with_the_same_weights(empty: Path, tmp_path: Path) -> None:
    by_hand, launched = tmp_path / "by_hand", tmp_path / "launched"
    for root in (by_hand, launched):
        shutil.copytree(empty, root)
    torchrun = str(Path(sys.executable).with_name("torchrun"))
    code, errors = finish(start(by_hand, torchrun, "--standalone", "--nproc-per-node=2", "-m", "pointrend", *TRAIN))
    assert code == 0, errors

    stopped = start(launched, sys.executable, "-m", "pointrend", *TRAIN)
    deadline = time.monotonic() + 120
    while iterations(launched) < 3:
        assert time.monotonic() < deadline
        assert stopped.poll() is None
        time.sleep(0.05)
    stopped.send_signal(signal.SIGUSR1)
    code, errors = finish(stopped)
    assert code == TrainingStopped.exit_code, errors
    assert "error: stopped by SIGUSR1 at iteration" in errors
    assert "Traceback" not in errors
    code, errors = finish(start(launched, sys.executable, "-m", "pointrend", *TRAIN))
    assert code == 0, errors

    (weights, record), (same, resumed) = result(by_hand), result(launched)
    assert weights == same
    assert (record["gpus"], record["nodes"], record["images_per_gpu"], len(record["attempts"])) == (2, 1, 2, 1)
    first, second = resumed["attempts"]
    assert 3 <= second["iteration"] < ITERATIONS
    assert first["ended"] == f"stopped by SIGUSR1 at iteration {second['iteration']}"
    assert resumed["iterations"] == ITERATIONS


def test_a_failure_keeps_its_exit_code_and_its_one_line(empty: Path, tmp_path: Path) -> None:
    root = tmp_path / "failing"
    shutil.copytree(empty, root)
    code, errors = finish(start(root, sys.executable, "-m", "pointrend", "--set", "lr=1e30", *TRAIN))
    assert code == 2
    assert "error: the loss is not finite at iteration" in errors
    assert "ChildFailedError" not in errors
