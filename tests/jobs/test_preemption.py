"""A training that is asked to stop writes a checkpoint at the next iteration and goes on as if never stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pointrend.errors import TrainingStopped
from pointrend.jobs.run import StopRequest, stop_requests
from tests.tiny import write_tiny_store
from tests.training.trainings import assert_equal, losses, trainer, two_processes, weights

MORE = ("epochs=4", "log_every=4", "checkpoint_minutes=60")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_store(tmp_path_factory.mktemp("store"))


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGTERM, 0), (signal.SIGUSR1, 2)])
def test_stopped_at_every_iteration_equals_never_stopped(
    store: Path, tmp_path: Path, number: signal.Signals, workers: int
) -> None:
    whole = trainer(store, tmp_path / "whole", *MORE)
    whole.run()
    stops = 0
    while True:
        part = trainer(store, tmp_path / "parts", *MORE, f"workers={workers}")
        assert part.progress.iteration == stops
        with stop_requests() as stop:
            os.kill(os.getpid(), number)
            if stops == whole.total - 1:
                part.run(stop=stop)
                break
            with pytest.raises(TrainingStopped, match=f"^stopped by {number.name} at iteration {stops + 1};"):
                part.run(stop=stop)
            stops += 1
    assert_equal(weights(whole), weights(part))
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")


def test_the_first_signal_counts_and_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_requests() as stop:
        assert stop() is None
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop() == "SIGUSR1"
    assert signal.getsignal(signal.SIGTERM) is before


def test_loader_processes_outlive_the_signal(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm signals all processes of a job."""
    busy = trainer(store, tmp_path, *MORE, "workers=2")
    step = busy.step

    def signalled(iteration, batch):
        if iteration == 1:
            children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
            assert children
            # From another process: torch lets a loader process end in peace if its own trainer asks for it.
            kill = "import os, sys; [os.kill(int(child), 15) for child in sys.argv[1:]]"
            subprocess.run([sys.executable, "-c", kill, *children], check=True, timeout=30)
            time.sleep(0.5)
        return step(iteration, batch)

    monkeypatch.setattr(busy, "step", signalled)
    assert busy.run(stop=StopRequest()) is busy.model


def test_a_training_whose_loader_hangs_can_be_stopped(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pointrend.training.loader.STOP_SECONDS", 1.0)
    hanging = trainer(store, tmp_path, *MORE, "workers=1")
    monkeypatch.setattr(type(hanging.transform), "__call__", lambda *_: time.sleep(300))
    threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    began = time.monotonic()
    with stop_requests() as stop, pytest.raises(TrainingStopped, match="asked to stop while no batch came"):
        hanging.run(stop=stop)
    assert 1 <= time.monotonic() - began < 20


WORKER = """
import os, signal, sys
from pathlib import Path
from pointrend.errors import TrainingStopped
from pointrend.model.weights import save_weights
from pointrend.training.distributed import join_processes
from pointrend.training.loop import Trainer
from pointrend.jobs.run import stop_requests
from tests.tiny import tiny_setting

store, out, at = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
with stop_requests() as stop, join_processes(2, "cpu", 1) as processes:
    setting = tiny_setting("gpus=2", "epochs=4", "log_every=4", "checkpoint_minutes=60")
    trainer = Trainer(setting, 0, store, out, None, processes)
    step = trainer.step
    def signalled(iteration, batch):
        if iteration == at and processes.rank == 1:
            os.kill(os.getpid(), signal.SIGUSR1)  # only one of them is signalled
        return step(iteration, batch)
    trainer.step = signalled
    try:
        trainer.run(stop=stop)
    except TrainingStopped as stopped:
        sys.exit(stopped.exit_code)
    if processes.first:
        save_weights(trainer.model, out / "model.safetensors")
"""


def test_two_processes_stop_at_the_same_iteration(store: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    two_processes(WORKER, tmp_path, store, whole, -1)
    two_processes(WORKER, tmp_path, store, parts, 5, code=TrainingStopped.exit_code)
    assert [path.name for path in parts.glob("*.safetensors")] == ["000000006-000000.safetensors"]
    two_processes(WORKER, tmp_path, store, parts, -1)
    assert (whole / "model.safetensors").read_bytes() == (parts / "model.safetensors").read_bytes()
