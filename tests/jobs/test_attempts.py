"""Attempts at one training: which are worth making."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pointrend.errors import CheckFailed, TrainingError, TrainingStopped
from pointrend.jobs import attempts as module
from pointrend.jobs.attempts import COMMAND
from pointrend.training.identity import Identity


@pytest.fixture(autouse=True)
def _an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMMAND, "first")


OURS = Identity("voc_r50", 0, "f" * 64)
CODE = {"code_sha256": "c" * 64, "source": {"commit": None}, "lock_sha256": None}


def Attempts(folder: Path) -> module.Attempts:
    return module.Attempts(folder, OURS)


def attempt(folder: Path, iteration: int, error: BaseException | None = None) -> int:
    attempts = Attempts(folder)
    with attempts.attempt(iteration, CODE):
        if error is not None:
            raise error
    return len(attempts.records)


def stop(folder: Path, iteration: int) -> None:
    with pytest.raises(TrainingStopped):
        attempt(folder, iteration, TrainingStopped("stopped by SIGTERM", "again"))


def kill(folder: Path, iteration: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        attempt(folder, iteration, KeyboardInterrupt())


def test_attempts_go_on_while_iterations_advance(tmp_path: Path) -> None:
    for number in range(1, 31):
        (stop if number % 2 else kill)(tmp_path, 10 * number)
    assert attempt(tmp_path, 310) == 31
    record = json.loads((tmp_path / "attempts.json").read_text())
    assert [entry["ended"] for entry in record["attempts"][-3:]] == ["stopped by SIGTERM", None, "done"]
    assert [entry["iteration"] for entry in record["attempts"][:2]] == [10, 20]


@pytest.mark.parametrize("end", [stop, kill])
def test_three_without_progress_are_the_last(tmp_path: Path, end) -> None:
    stop(tmp_path, 0)
    for _ in range(3):
        end(tmp_path, 7)
    for _ in range(2):
        with pytest.raises(TrainingError, match="3 consecutive attempts made no progress beyond iteration 7"):
            attempt(tmp_path, 7)


@pytest.mark.parametrize("error", [TrainingError("nan", "look"), CheckFailed("hash", "look"), OSError(28, "No space")])
def test_a_failure_that_would_come_again_is_not_tried_again(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)):
        attempt(tmp_path, 7, error)
    with pytest.raises(TrainingError, match=f"not tried again: .*{str(error)[-5:]}"):
        attempt(tmp_path, 7)


def test_a_command_typed_again_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        kill(tmp_path, 7)
    with pytest.raises(TrainingError):
        attempt(tmp_path, 7)
    monkeypatch.setenv(COMMAND, "second")
    assert attempt(tmp_path, 7) == 4


def test_by_hand_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(COMMAND)
    for _ in range(5):
        kill(tmp_path, 7)
    with pytest.raises(TrainingError, match="nan"):
        attempt(tmp_path, 7, TrainingError("nan", "look"))
    assert attempt(tmp_path, 7) == 7


def test_what_computed_is_known_of_every_attempt(tmp_path: Path) -> None:
    kill(tmp_path, 0)
    attempts = Attempts(tmp_path)
    with attempts.attempt(7, CODE | {"code_sha256": "d" * 64}):
        attempts.runs_on({"device": "cpu"})
    known = [(entry["iteration"], entry["code_sha256"][0], entry["machine"]) for entry in Attempts(tmp_path).records]
    assert known == [(0, "c", None), (7, "d", {"device": "cpu"})]


def test_those_of_another_training_are_named(tmp_path: Path) -> None:
    other = Identity("voc_r50", 1, "e" * 64)
    with module.Attempts(tmp_path, other).attempt(0, CODE):
        pass
    with pytest.raises(TrainingError) as caught:
        Attempts(tmp_path)
    assert f"attempts.json is of {other}, not of {OURS}; move it" in str(caught.value)


@pytest.mark.parametrize("text", ["[{", "[]", '{"attempts": []}'])
def test_a_damaged_record_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "attempts.json").write_text(text)
    with pytest.raises(TrainingError, match=r"attempts\.json"):
        Attempts(tmp_path)


def test_a_finished_training_may_be_asked_for_often(tmp_path: Path) -> None:
    """An engine that lost an output asks again; the trainer finds its last checkpoint and is done."""
    for number in range(1, 7):
        assert attempt(tmp_path, 80) == number
