"""Attempts at one training: which are worthwhile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pointrend.errors import CheckFailed, TrainingError, TrainingStopped
from pointrend.jobs.attempts import COMMAND, Attempts
from pointrend.training.identity import Identity

OURS = Identity("voc_r50", 0, "f" * 64)
CODE = {"code_sha256": "c" * 64, "source": {"commit": None}, "lock_sha256": None}
STOP, KILL = TrainingStopped("stopped by SIGTERM", "again"), KeyboardInterrupt()


@pytest.fixture(autouse=True)
def _an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMMAND, "first")


def attempt(folder: Path, iteration: int, end: BaseException | None = None, times: int = 1) -> int:
    """The number of attempts so far, this one included, which ends with ``end``."""
    for _ in range(times):
        attempts = Attempts(folder, OURS)
        try:
            with attempts.attempt(iteration, CODE):
                if end is not None:
                    raise end
        except BaseException as error:
            if error is not end:
                raise
    return len(attempts.records)


def test_attempts_go_on_while_iterations_advance(tmp_path: Path) -> None:
    for number in range(1, 31):
        attempt(tmp_path, 10 * number, STOP if number % 2 else KILL)
    assert attempt(tmp_path, 310) == 31
    record = json.loads((tmp_path / "attempts.json").read_text())
    assert [entry["ended"] for entry in record["attempts"][-3:]] == ["stopped by SIGTERM", None, "done"]
    assert [entry["iteration"] for entry in record["attempts"][:2]] == [10, 20]


@pytest.mark.parametrize(("end", "ended"), [(STOP, "stopped by SIGTERM"), (KILL, "killed")])
def test_three_without_progress_are_the_last(tmp_path: Path, end: BaseException, ended: str) -> None:
    attempt(tmp_path, 0, STOP)
    attempt(tmp_path, 7, end, times=3)
    for _ in range(2):
        with pytest.raises(TrainingError, match="3 consecutive attempts made no progress beyond iteration 7") as caught:
            attempt(tmp_path, 7)
        assert f"(the last one ended: {ended}); fix the cause" in str(caught.value)


@pytest.mark.parametrize("error", [TrainingError("nan", "look"), CheckFailed("hash", "look"), OSError(28, "No space")])
def test_a_failure_that_would_occur_again_is_not_tried_again(tmp_path: Path, error: Exception) -> None:
    attempt(tmp_path, 7, error)
    with pytest.raises(TrainingError, match=f"not tried again: .*{str(error)[-5:]}"):
        attempt(tmp_path, 7)


def test_a_command_typed_again_starts_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt(tmp_path, 7, KILL, times=3)
    with pytest.raises(TrainingError):
        attempt(tmp_path, 7)
    monkeypatch.setenv(COMMAND, "second")
    assert attempt(tmp_path, 7) == 4


def test_by_hand_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(COMMAND)
    attempt(tmp_path, 7, KILL, times=5)
    attempt(tmp_path, 7, TrainingError("nan", "look"))
    assert attempt(tmp_path, 7) == 7


def test_code_and_machine_of_every_attempt_are_recorded(tmp_path: Path) -> None:
    attempt(tmp_path, 0, KILL)
    attempts = Attempts(tmp_path, OURS)
    with attempts.attempt(7, CODE | {"code_sha256": "d" * 64}):
        attempts.note(machine={"device": "cpu"})
    found = Attempts(tmp_path, OURS).records
    known = [(entry["iteration"], entry["code_sha256"][0], entry["machine"]) for entry in found]
    assert known == [(0, "c", None), (7, "d", {"device": "cpu"})]


def test_those_of_another_training_are_named(tmp_path: Path) -> None:
    other = Identity("voc_r50", 1, "e" * 64)
    with Attempts(tmp_path, other).attempt(0, CODE):
        pass
    with pytest.raises(TrainingError) as caught:
        Attempts(tmp_path, OURS)
    assert f"attempts.json is of {other}, not of {OURS}; move it" in str(caught.value)


@pytest.mark.parametrize("text", ["[{", "[]", '{"attempts": []}'])
def test_a_damaged_record_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "attempts.json").write_text(text)
    with pytest.raises(TrainingError, match=r"attempts\.json"):
        Attempts(tmp_path, OURS)


def test_a_finished_training_may_be_requested_often(tmp_path: Path) -> None:
    """An engine that lost an output requests it again; the trainer finds its last checkpoint and is done."""
    assert attempt(tmp_path, 80, times=6) == 6
