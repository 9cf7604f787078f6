"""The lease on a run: one holder at a time, on whichever machines; freed by death."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pointrend.errors import TrainingError, TrainingStopped
from pointrend.files import write_bytes
from pointrend.jobs import lease as module
from pointrend.jobs.lease import Watch, lease, newest

HOLDER = """
import sys, time
from pathlib import Path
from pointrend.jobs import lease
lease.BEAT_SECONDS = 0.05
with lease.lease(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
STALE = 0.6


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is on another machine than those that it starts, and patience is short."""
    monkeypatch.setattr(module, "_machine", lambda: "another machine")
    monkeypatch.setattr(module, "STALE_SECONDS", STALE)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder of the leases on ``tmp_path``."""
    (tmp_path / "lease").mkdir()
    return tmp_path / "lease"


def write_lease(place: Path, number: int, **changes: str) -> None:
    """Write the lease of a process, of this one unless something is changed."""
    (place / f"{number:06d}").write_text(json.dumps({**module._ourselves(), **changes}) + "\n")


@pytest.mark.parametrize("zombie", [False, True])
def test_a_second_trainer_is_refused_until_the_first_has_died(tmp_path: Path, zombie: bool) -> None:
    with holder(tmp_path) as first:
        with pytest.raises(TrainingError, match=f"in use by .* process {first.pid}"), lease(tmp_path):
            pass
        os.kill(first.pid, signal.SIGKILL)
        os.waitid(os.P_PID, first.pid, os.WEXITED | (os.WNOWAIT if zombie else 0))
        with lease(tmp_path):
            assert newest(tmp_path / "lease").holder["pid"] == os.getpid()
    assert newest(tmp_path / "lease").free


def test_a_process_number_given_to_another_process_is_not_the_holder(tmp_path: Path, place: Path) -> None:
    write_lease(place, 4, started="1")
    with lease(tmp_path):
        assert sorted(path.name for path in place.iterdir()) == ["000005"]


def test_who_waits_comes_after_the_holder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with holder(tmp_path) as first:
        threading.Timer(0.5, first.kill).start()
        began = time.monotonic()
        with lease(tmp_path, wait=True):
            assert time.monotonic() - began > 0.4
        assert first.wait(10) == -signal.SIGKILL
    assert f"process {first.pid}; waiting" in caplog.text


def test_on_another_machine_a_holder_lives_by_its_signs_of_life(
    elsewhere: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    with holder(tmp_path) as first:
        who = f"in use by .*, Slurm job 4711, process {first.pid}"
        with pytest.raises(TrainingError, match=who), lease(tmp_path):
            pass
        taken: list[float] = []

        def take() -> None:
            with lease(tmp_path, wait=True):
                taken.append(time.monotonic())

        waiter = threading.Thread(target=take)
        waiter.start()
        time.sleep(2 * STALE)
        assert not taken
        first.kill()
        killed = time.monotonic()
        waiter.join(20)
        assert taken
        assert taken[0] - killed >= STALE / 2


def test_a_lease_without_content_is_being_written(elsewhere: None, tmp_path: Path, place: Path) -> None:
    (place / "000001").touch()
    began = time.monotonic()
    with lease(tmp_path):
        assert time.monotonic() - began >= STALE


def test_who_lost_the_lease_ends_at_once(tmp_path: Path) -> None:
    with holder(tmp_path) as first:
        write_lease(tmp_path / "lease", 2)
        (tmp_path / "lease/000001").unlink()
        assert first.wait(10) == TrainingStopped.exit_code


def test_of_many_at_once_one_gets_it(elsewhere: None, tmp_path: Path) -> None:
    """All find the same dead holder at the same time."""
    with holder(tmp_path) as first:
        first.kill()
    inside, most, done = [0], [0], []

    def work() -> None:
        with lease(tmp_path, wait=True):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.05)
            inside[0] -= 1
        done.append(1)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (most, len(done)) == ([1], 6)


def test_an_outdated_number_is_given_back(place: Path) -> None:
    """A process that read the folder long ago creates a number below the one that counts."""
    write_lease(place, 7)
    assert module._create(place, 5) is None
    assert [path.name for path in place.iterdir()] == ["000007"]


def test_waiting_without_taking(tmp_path: Path) -> None:
    waiting = Watch(tmp_path, wait=True)
    waiting.until_free()
    with holder(tmp_path) as first:
        threading.Timer(0.4, first.kill).start()
        began = time.monotonic()
        waiting.until_free()
        assert time.monotonic() - began > 0.3
    assert len(list((tmp_path / "lease").iterdir())) == 1


def test_files_of_the_user_are_no_leases(tmp_path: Path, place: Path) -> None:
    for name in ("000003.bak", "7", "notes"):
        (place / name).write_text("of the user's")
    with lease(tmp_path) as held:
        assert held.number == 1
    assert sorted(path.name for path in place.iterdir()) == ["000001.free", "000003.bak", "7", "notes"]


def test_a_process_that_was_stopped_while_it_took_a_lease_gives_way(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it had created its number, and before it read the folder, the next process removed its lease."""
    listed = module._leases

    def away(place: Path) -> list[Path]:
        monkeypatch.setattr(module, "_leases", listed)
        assert module._create(place, 2) is not None
        return listed(place)

    monkeypatch.setattr(module, "_leases", away)
    assert module._create(place, 1) is None
    assert [path.name for path in place.iterdir()] == ["000002"]


def test_a_write_notices_that_the_lease_is_gone(tmp_path: Path) -> None:
    with lease(tmp_path) as held:
        write_bytes(tmp_path / "file", b"ours", held)
        write_lease(tmp_path / "lease", 2)
        held.path.unlink()
        with pytest.raises(TrainingStopped, match=f"taken over by .* process {os.getpid()}"):
            write_bytes(tmp_path / "file", b"too late", held)
    assert (tmp_path / "file").read_bytes() == b"ours"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "lease"]


def test_the_next_holder_takes_what_a_passed_one_was_about_to_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had looked at its lease and was then stopped, in the middle of ``os.replace`` so to speak."""
    here, there = tmp_path / "here", tmp_path / "there"
    monkeypatch.setattr(module.Watch, "is_free", lambda *_, **__: True)
    with lease(here, there) as held:
        look = held.check

        def stopped() -> None:
            monkeypatch.setattr(held, "check", look)
            held.check()
            (there / ".theirs.tmp").write_text("of the user's")
            with lease(here, there):
                assert [path.name for path in there.iterdir()] == [".theirs.tmp"]

        monkeypatch.setattr(held, "check", stopped)
        with pytest.raises(TrainingStopped):
            write_bytes(there / "file", b"too late", held)
    assert [path.name for path in there.iterdir()] == [".theirs.tmp"]
