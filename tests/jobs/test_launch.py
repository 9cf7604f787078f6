"""The commands that start the processes of a training."""

from __future__ import annotations

import subprocess
import sys
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

import pytest

from pointrend.checkout.machine import choose_device
from pointrend.cli import main
from pointrend.errors import MachineError, ParamsError
from pointrend.jobs.launch import SIGNALS, launcher, start_processes
from pointrend.jobs.torchrun import joint_exit_code
from tests.tiny import ROOT, tiny_setting

TORCHRUN = [sys.executable, "-m", "pointrend.jobs.torchrun"]
WORDS = ["-m", "pointrend", "train", "voc_r50"]


@pytest.mark.parametrize(
    ("gpus", "nodes", "command"),
    [
        (1, 1, [*TORCHRUN, "--standalone", "--nproc-per-node=1", f"--signals-to-handle={SIGNALS}", *WORDS]),
        (8, 1, [*TORCHRUN, "--standalone", "--nproc-per-node=8", f"--signals-to-handle={SIGNALS}", *WORDS]),
        (
            8,
            2,
            [
                *["srun", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--cpu-bind=none", *TORCHRUN],
                *["--nnodes=2", "--rdzv-backend=c10d", "--rdzv-endpoint=gpu07:24711", "--rdzv-id=4711"],
                *["--nproc-per-node=4", f"--signals-to-handle={SIGNALS}", *WORDS],
            ],
        ),
    ],
)
def test_torchrun_is_started_once_on_every_node(gpus: int, nodes: int, command: list[str]) -> None:
    assert launcher(gpus, nodes, "gpu07", "4711", WORDS) == command


@pytest.mark.parametrize("job", [None, "", "4711+1"])
def test_several_nodes_without_slurm(monkeypatch: pytest.MonkeyPatch, job: str | None) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    if job is not None:
        monkeypatch.setenv("SLURM_JOB_ID", job)
    recipe = tiny_setting("gpus=4", "nodes=2").recipe
    with pytest.raises(
        ParamsError, match=r"nodes: 2 needs a Slurm job; or type on every node: \S+ -m pointrend.*--nproc-per-node=2"
    ):
        start_processes(recipe)


def test_gpus_that_the_nodes_cannot_share() -> None:
    with pytest.raises(ParamsError, match="4 gpus cannot be divided among 3 nodes"):
        tiny_setting("gpus=4", "nodes=3")


def test_a_meeting_place_whose_port_another_program_has() -> None:
    with ThreadingTCPServer(("127.0.0.1", 0), BaseRequestHandler) as closing:  # it ends every conversation at once
        Thread(target=closing.serve_forever, daemon=True).start()
        place = f"127.0.0.1:{closing.server_address[1]}"
        meeting = ["--nnodes=2", "--rdzv-backend=c10d", f"--rdzv-endpoint={place}", "--rdzv-conf=read_timeout=1"]
        ran = subprocess.run([*TORCHRUN, *meeting, *WORDS], capture_output=True, text=True, timeout=100, check=False)
        closing.shutdown()
    errors = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert (ran.returncode, len(errors)) == (2, 1), ran.stderr
    assert f"the nodes cannot connect at {place}; make sure that" in errors[0]
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("codes", "joint"), [([-9, -15], 1), ([1, 2], 2), ([75, 3, 1], 3), ([75, -15], 75), ([-9, 75], 75), ([1, 1], 1)]
)
def test_the_exit_code_that_says_most(codes: list[int], joint: int) -> None:
    assert joint_exit_code(codes) == joint


def test_too_few_gpus_are_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("pointrend.commands.train.training_fingerprint", lambda *_: "f" * 64)
    monkeypatch.setattr("pointrend.commands.train.log_to_file", lambda _: None)
    words = ["--params", str(ROOT / "params.yaml"), "--set", "device=cuda", "--set", "gpus=4", "train", "voc_r50"]
    assert main(words) == 2
    problem = "error: 4 processes are to train on this machine, which has 2 GPUs; set gpus: 2"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(problem)


@pytest.mark.parametrize("local", ["7", "x"])
def test_a_gpu_that_is_not_there_is_named(local: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", local)
    monkeypatch.setenv("WORLD_SIZE", "8")
    with pytest.raises(MachineError, match=f"LOCAL_RANK={local} is not one of the 2 GPUs"):
        choose_device("cuda")
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    with pytest.raises(MachineError, match="4 processes are to train on this machine, which has 2 GPUs; set gpus: 2"):
        choose_device("cuda")
    monkeypatch.delenv("WORLD_SIZE")  # what a shell has kept of another training counts for nothing
    assert choose_device("cuda").index == 0
