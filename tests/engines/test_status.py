"""What `pointrend status` prints of trainings in every state."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from pointrend.cli import main
from pointrend.errors import CheckFailed, TrainingError, TrainingStopped
from pointrend.files import write_json, write_text
from pointrend.jobs.attempts import Attempts
from pointrend.jobs.lease import STALE_SECONDS, Held, lease
from pointrend.training.identity import Identity
from tests.tiny import ROOT, write_tiny_data

OURS = Identity("voc_r50", 0, "f" * 64)
CHECKPOINTS, RUN = Path("checkpoints/demo/voc_r50-s0", "f" * 16), Path("runs/demo/voc_r50-s0")
CODE = {"code_sha256": "c" * 64, "source": {"commit": None}, "lock_sha256": None}
AGAIN = "the same command resumes from"


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    squeue()
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr("socket.gethostname", lambda: "n1")


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]):
    """A function that gives what is printed of voc_r50, its lines joined."""

    def shown() -> str:
        assert main(["status"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line for line in lines if len(line) > 80] == []
        first = next(number for number, line in enumerate(lines) if line.startswith("voc_r50 "))
        return " ".join(" ".join(lines[first : lines.index(next(x for x in lines if x[:8] == "voc_r101"))]).split())

    return shown


def squeue(*lines: str) -> None:
    """Let Slurm's queue have these jobs."""
    write_text(Path("squeue"), "\n".join(["#!/bin/sh", "cat <<END", *lines, "END", ""]))
    Path("squeue").chmod(0o755)


def attempt(start: int, end: BaseException | None = None, held: Held | None = None, reached: int = 0) -> None:
    """A start at iteration ``start``, which records 10 iterations at a time, two seconds each, and then ends."""
    attempts = Attempts(CHECKPOINTS, OURS, held)
    try:
        with attempts.attempt(start, CODE):
            attempts.note(iterations=3000)
            times = {i: 1e9 * (i > start) + 2 * i for i in range(10, reached + 1, 10)}  # earlier ones of long ago
            records = [{"iteration": i, "loss": 10 / i, "time": time} for i, time in times.items()]
            records += [{"iteration": 1000, "epoch": 1, "validation_miou": 41.53, "time": 0}] * (reached > 1000)
            text = "".join(json.dumps(record) + "\n" for record in records) + '{"iteration": 9'
            write_text(CHECKPOINTS / "metrics.jsonl", f'cut o\n[1]\n{{"iteration": "x"}}\n{text}')
            if end is not None:
                raise end
    except BaseException as error:
        if error is not end:
            raise


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (
            TrainingStopped("stopped by SIGTERM at iteration 100", "x"),
            f"waiting stopped by SIGTERM at iteration 100; {AGAIN} there",
        ),
        (KeyboardInterrupt(), f"failed killed on n1, iteration 120 of 3000; {AGAIN} iteration 100; log: LOG"),
        (TrainingError("the loss is not finite", "check it"), "failed the loss is not finite; check it; log: LOG"),
        (None, "waiting"),
    ],
)
def test_a_training_that_has_ended(said, end: BaseException | None, expected: str) -> None:
    write_text(CHECKPOINTS / "000000100-000001.json", "{}")
    attempt(50, end, reached=120)
    assert said() == f"voc_r50 0 {expected}".replace("LOG", "logs/demo/train-voc_r50-s0.log")


def test_a_running_training_and_then_its_end(said) -> None:
    with lease(CHECKPOINTS) as held:
        where = f"voc_r50 0 running n1 process {os.getpid()}, since {time.strftime('%m-%d')} "
        assert said().startswith(where)
        assert said().endswith(", no iteration recorded yet")
        attempt(50, KeyboardInterrupt(), held, reached=60)
        assert said().endswith(", iteration 60 of 3000, loss 0.167")
        attempt(50, KeyboardInterrupt(), held, reached=1200)
        assert said().endswith(", iteration 1200 of 3000, loss 0.008, mIoU 41.5% on part of val, 60 min left")
    assert said().startswith("voc_r50 0 failed killed")
    with lease(CHECKPOINTS):
        assert said().endswith(", no iteration recorded yet")


def test_a_holder_on_another_machine_is_alive_while_it_renews_its_lease(said, monkeypatch) -> None:
    monkeypatch.setattr("pointrend.jobs.lease._machine", lambda: "another boot")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with lease(CHECKPOINTS) as held:
        attempt(0, KeyboardInterrupt(), held, reached=10)
        monkeypatch.setattr("pointrend.jobs.lease._machine", lambda: "this boot")
        running = f"voc_r50 0 running n1, Slurm job 17, process {os.getpid()}, since "
        assert said().startswith(running)
        os.utime(held.path, times=(time.time() - STALE_SECONDS - 1,) * 2)
        assert said().startswith("voc_r50 0 failed killed on n1, iteration 10 of 3000")
        squeue(f"17|RUNNING|None|rule_train_wildcards_voc_r50_0|{Path.cwd()}")
        assert said().startswith(running)


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        (["7|PENDING|Priority|rule_train_wildcards_voc_r50_0|HERE"], "waiting Slurm job 7: PENDING (Priority)"),
        (["8|RUNNING|None|rule_voc_r50-s0_evaluate_train|HERE"], "running Slurm job 8: begins"),
        (
            [
                "7|PENDING|Dependency|rule_train_wildcards_voc_r50_0|HERE",
                "9|RUNNING|None|rule_evaluate_wildcards_voc_r50_0|HERE",
            ],
            "running Slurm job 9: begins",
        ),
        (["7|PENDING|Priority|rule_train_wildcards_voc_r50_0|/elsewhere"], "waiting"),
    ],
)
def test_a_job_in_the_queue(said, jobs: list[str], expected: str) -> None:
    squeue(*(job.replace("HERE", str(Path.cwd())) for job in jobs))
    assert said() == f"voc_r50 0 {expected}"


def test_trained_and_scored(said, monkeypatch) -> None:
    write_json(RUN / "train.json", {"fingerprint": OURS.fingerprint})
    attempt(0, TrainingError("the result counts, whatever failed later", "x"))
    assert said() == "voc_r50 0 waiting trained, not scored yet"
    with monkeypatch.context() as patched:
        patched.setattr("pointrend.engines.status.training_fingerprint", lambda *_: OURS.fingerprint)
        squeue(f"8|RUNNING|None|rule_voc_r50-s0_evaluate_train|{Path.cwd()}")
        assert said() == "voc_r50 0 running Slurm job 8: scores"
    squeue()
    write_json(RUN / "metrics.json", {"fingerprint": OURS.fingerprint, "miou": 78.174})
    assert said() == "voc_r50 0 done mIoU 78.17%"
    write_tiny_data(Path("data/demo/voc"))
    assert said() == "voc_r50 0 done mIoU 78.17%; trained with other settings, data or code than the present ones"


def test_every_seed_that_was_started_is_listed(said) -> None:
    Path("runs/demo/voc_r50-s12").mkdir(parents=True)
    Path("checkpoints/demo/voc_r50-s3").mkdir(parents=True)
    Path("runs/demo/voc_r50-s0.old").mkdir()
    assert said() == "voc_r50 0 waiting voc_r50 3 waiting voc_r50 12 waiting"


def test_the_training_of_the_present_settings_comes_before_later_ones(said, monkeypatch) -> None:
    attempt(0, CheckFailed("of these settings", "x"))
    monkeypatch.setattr("pointrend.engines.status.training_fingerprint", lambda *_: OURS.fingerprint)
    later = CHECKPOINTS.with_name("0" * 16)
    write_json(later / "attempts.json", {})
    assert said().startswith("voc_r50 0 failed of these settings")
