"""Tiny trainings: in this process, or as two processes under our torchrun."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pointrend.training.distributed import Processes
from pointrend.training.loop import Trainer
from tests.tiny import ROOT, tiny_setting

ALONE = Processes(0, 1, torch.device("cpu"))


def trainer(store: Path, checkpoints: Path, *more: str) -> Trainer:
    """The trainer of a tiny run; ``more`` are further KEY=VALUE overrides."""
    return Trainer(tiny_setting(*more), 0, store, checkpoints, None, ALONE)


def weights(trained: Trainer) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in trained.model.state_dict().items()}


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def losses(folder: Path) -> list[float]:
    return [record["loss"] for record in records(folder)]


def two_processes(worker: str, folder: Path, *arguments: object, code: int = 0, **variables: str) -> str:
    """Run a program of Python, which is put into ``folder``, as two processes that end with ``code``: their output."""
    (folder / "worker.py").write_text(worker)
    command = [sys.executable, "-m", "pointrend.jobs.torchrun", "--standalone", "--nproc-per-node=2"]
    command += map(str, (folder / "worker.py", *arguments))
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}
    ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=400, check=False)
    assert ran.returncode == code, ran.stderr[-3000:]
    return ran.stdout
