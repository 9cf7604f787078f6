"""`pointrend train` with several processes, without any engine: by its own launcher, and by torchrun typed by hand."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pointrend.errors import TrainingStopped
from pointrend.evaluation.network import load_network
from pointrend.evaluation.validation import Validation
from pointrend.files import read_json_lines
from tests.ranks import process_of
from tests.tiny import ROOT, TINY, tiny_setting, write_tiny_data

ITERATIONS = 24
SETTING = (*TINY, "gpus=2", "epochs=8", "checkpoint_minutes=60")
TRAIN = ("--scale", "demo", *(word for override in SETTING for word in ("--set", override)), "train", "voc_r50")
POINTREND = (sys.executable, "-m", "pointrend")


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    root = tmp_path_factory.mktemp("empty")
    shutil.copy(ROOT / "params.yaml", root)
    write_tiny_data(root / "data/demo/voc")
    return root


def start(root: Path, *command: str) -> subprocess.Popen[bytes]:
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=root, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=240)
    return process.returncode, errors.decode()


def result(root: Path) -> tuple[bytes, dict[str, Any]]:
    folder = root / "runs/demo/voc_r50-s0"
    return (folder / "model.safetensors").read_bytes(), json.loads((folder / "train.json").read_text())


def iterations(root: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in root.glob("checkpoints/demo/voc_r50-s0/*/metrics.jsonl"))


def wait_for(iteration: int, process: subprocess.Popen[bytes], root: Path) -> None:
    """Return when ``process`` has written the record of ``iteration``."""
    deadline = time.monotonic() + 120
    while iterations(root) < iteration:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)


@pytest.fixture(scope="module")
def by_hand(empty, tmp_path_factory):
    """A checkout in which torchrun was typed and nothing has disturbed it."""
    root = tmp_path_factory.mktemp("by_hand") / "checkout"
    shutil.copytree(empty, root)
    torchrun = (str(Path(sys.executable).with_name("torchrun")), "--standalone", "--nproc-per-node=2")
    code, errors = finish(start(root, *torchrun, "-m", "pointrend", *TRAIN))
    assert code == 0, errors
    return root


def test_torchrun_by_hand_and_a_stopped_launcher_end_with_the_same_weights(empty, by_hand, tmp_path):
    """Also where the launched processes look at val on the way."""
    launched = tmp_path / "launched"
    shutil.copytree(empty, launched)
    command = (*POINTREND, *TRAIN[:-2], "--set", "validation_epochs=2", "--set", "validation_images=5", *TRAIN[-2:])
    stopped = start(launched, *command)
    wait_for(3, stopped, launched)
    stopped.send_signal(signal.SIGUSR1)
    code, errors = finish(stopped)
    assert code == TrainingStopped.exit_code, errors
    assert "error: stopped by SIGUSR1 at iteration" in errors
    assert "Traceback" not in errors
    code, errors = finish(start(launched, *command))
    assert code == 0, errors

    (weights, record), (same, resumed) = result(by_hand), result(launched)
    assert weights == same
    assert (record["gpus"], record["nodes"], record["images_per_gpu"], len(record["attempts"])) == (2, 1, 2, 1)
    first, second = resumed["attempts"]
    assert 3 <= second["iteration"] < ITERATIONS
    assert first["ended"] == f"stopped by SIGUSR1 at iteration {second['iteration']}"
    assert resumed["iterations"] == ITERATIONS
    looks = [one for one in read_json_lines(launched / "runs/demo/voc_r50-s0/metrics.jsonl") if "loss" not in one]
    assert [(one["iteration"], one["epoch"]) for one in looks][-2:] == [(18, 6), (ITERATIONS, 8)]
    network, _ = load_network(tiny_setting(), launched / "runs/demo/voc_r50-s0/model.safetensors")
    of_end = Validation(empty / "data/demo/voc", tiny_setting("validation_images=5"))
    assert looks[-1]["validation_miou"] == pytest.approx(of_end(network, 0, 1, lambda counts: counts), abs=1e-4)


def test_one_of_two_killed_ends_the_other_and_training_goes_on(empty, by_hand, tmp_path):
    root = tmp_path / "killed"
    shutil.copytree(empty, root)
    command = (*POINTREND, *TRAIN[:-2], "--set", "checkpoint_minutes=0", *TRAIN[-2:])
    for rank in (1, 0):
        process = start(root, *command)
        wait_for(iterations(root) + 3, process, root)
        os.kill(process_of(process.pid, rank), signal.SIGKILL)
        code, errors = finish(process)
        assert code in (1, TrainingStopped.exit_code), errors  # an engine tries again
        assert f"error: process {rank} of the training was killed by SIGKILL" in errors
        assert ("error: lost contact with the other processes" in errors) == (rank == 1)
        assert "Traceback" not in errors
    code, errors = finish(start(root, *command))
    assert code == 0, errors

    (weights, _), (same, record) = result(by_hand), result(root)
    assert weights == same
    first, second, last = record["attempts"]
    assert first["ended"].startswith("lost contact with the other processes: ")
    assert second["ended"] is None
    assert first["iteration"] < second["iteration"] < last["iteration"] < ITERATIONS


def test_a_failure_keeps_its_exit_code_and_its_one_line(empty, tmp_path):
    root = tmp_path / "failing"
    shutil.copytree(empty, root)
    code, errors = finish(start(root, *POINTREND, "--set", "lr=1000.0", *TRAIN))
    assert code == 2
    assert "error: the loss is not finite at iteration" in errors
    assert "ChildFailedError" not in errors
