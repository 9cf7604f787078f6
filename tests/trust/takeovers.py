"""Trainers that are stopped until another one takes their lease over, and then go on beside it.

``python -m tests.trust.takeovers 100 --write`` tries 100 takeovers and rewrites the table in docs/reliability.md.

What comes out must be what an undisturbed training gives, bit for bit. All trainers run on this machine and take it for
different ones, so that a stopped one is not known to be alive; their patience is short.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

import pointrend.training.loop
from pointrend.cli import main as pointrend
from pointrend.errors import TrainingStopped
from pointrend.jobs import lease
from pointrend.jobs.lease import newest
from pointrend.training.checkpoints import KEPT
from tests.trust.campaign import MOST_SECONDS, campaign, contents, differences, markdown
from tests.trust.ground import SETTINGS, STEPS, Ground, one_run
from tests.trust.ground import run as run_steps

TRAIN = "train voc_r50"
EPOCHS = 15
BEAT, STALE, POLL = 0.1, 0.6, 0.02
EARLY = 0.2  # share of the stops that may come before the trainer has the lease
STOPPED = str(TrainingStopped.exit_code)
FORK = multiprocessing.get_context("fork")


@dataclass
class Tally:
    """Takeovers: tried, of a trainer at work, of one that was just writing; old holders that noticed; defects."""

    tried: int = 0
    at_work: int = 0
    writing: int = 0
    noticed: int = 0
    defects: list[str] = field(default_factory=list)


class TrainerProcess:
    """``pointrend train`` on a machine of its own, in a checkout."""

    def __init__(self, ground: Ground, name: str) -> None:
        self.errors = ground.root.with_name(f"{name}.err")
        self.process = FORK.Process(target=_train, args=(ground, name, self.errors))
        self.process.start()

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    @property
    def pid(self) -> int:
        return int(self.process.pid or 0)

    def end(self) -> str:
        """Wait for its end; exit code and, where that is not 0 or 75 or there is a traceback, its errors."""
        self.process.join(MOST_SECONDS)
        if self.process.exitcode is None:
            self.process.kill()
            return f"still at work after {MOST_SECONDS} s"
        errors = self.errors.read_text(errors="replace")
        known = self.process.exitcode in (0, TrainingStopped.exit_code) and "Traceback" not in errors
        return str(self.process.exitcode) + ("" if known else f": {errors[-300:]}")


def _train(ground: Ground, name: str, errors: Path) -> None:
    """In the forked process: the command, on a machine called ``name``."""
    torch.set_num_threads(1)
    handle = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for key in SETTINGS:
        os.environ.pop(key, None)
    lease.BEAT_SECONDS, lease.STALE_SECONDS, lease.POLL_SECONDS = BEAT, STALE, POLL
    lease._machine = lambda: name
    os.environ["POINTREND_ENGINE"] = "takeovers"  # which waits for a lease
    os.chdir(ground.root)
    sys.exit(pointrend(["--quiet", *TRAIN.split()]))


class Campaign:
    """Trainings that change hands again and again."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random, self.tally = folder, random.Random(seed), Tally()
        self.ground = one_run(folder / "before")
        self.ground.put("scales.demo.recipe.epochs", EPOCHS)
        run_steps(self.ground, STEPS[:3])
        calm = self.ground.copy(folder / "calm")
        start = time.monotonic()
        if (ended := TrainerProcess(calm, "calm").end()) != "0":
            raise RuntimeError(f"{TRAIN} undisturbed: {ended}")
        self.seconds = time.monotonic() - start
        self.calm = contents(calm)

    def run(self, takeovers: int) -> None:
        """Try ``takeovers`` takeovers, over as many trainings as that takes."""
        while self.tally.tried < takeovers:
            self._training(takeovers)

    def _training(self, takeovers: int) -> None:
        ground, tally = self.ground.copy(self.folder / "round"), self.tally
        first, story, self.finished = tally.tried, [], False
        holder = TrainerProcess(ground, "machine 0")
        while tally.tried < takeovers and holder.process.is_alive():
            tally.tried += 1
            if self.random.random() >= EARLY:
                until(lambda trainer=holder: held_by(ground, trainer) or not trainer.process.is_alive())
            story.append(f"{(after := self.random.uniform(0, 0.25 * self.seconds)):.2f}")
            time.sleep(after)
            holder = self._taken_over(ground, holder)
        # On a busy machine the last one may itself have lost its lease, to one that was stopped before it had any.
        ended = holder.end()
        wrong = [] if ended == "0" or (ended == STOPPED and self.finished) else [ended]
        wrong += differences(self.calm, ground) + left_over(ground)
        if wrong:
            tally.defects.append(f"takeovers {first + 1} to {tally.tried}, after {', '.join(story)} s: {wrong}")
        shutil.rmtree(ground.root)

    def _taken_over(self, ground: Ground, old: TrainerProcess) -> TrainerProcess:
        """Stop a trainer, start another one, and let the old one go on while the new one works."""
        old.signal(signal.SIGSTOP)
        at_work = held_by(ground, old)
        self.tally.at_work += at_work
        self.tally.writing += at_work and any(ground.root.rglob(".*.tmp"))
        new = TrainerProcess(ground, f"machine {self.tally.tried}")
        if at_work:
            until(lambda: not held_by(ground, old))
        time.sleep(self.random.uniform(0, 0.2 * self.seconds))
        old.signal(signal.SIGCONT)
        ended = old.end()
        self.tally.noticed += ended == STOPPED
        self.finished |= ended == "0"
        if ended != STOPPED and (at_work or ended != "0"):
            self.tally.defects.append(f"takeover {self.tally.tried}: the old trainer ended with {ended}")
        return new

    def table(self) -> str:
        """The tally as a Markdown table."""
        rows = {
            "takeovers": self.tally.tried,
            "of a trainer that held the lease": self.tally.at_work,
            "in the middle of writing a file": self.tally.writing,
            "noticed by the old trainer (exit code 75)": self.tally.noticed,
            "defects": len(self.tally.defects),
        }
        return markdown(("what", "seen"), *rows.items())


def held_by(ground: Ground, trainer: TrainerProcess) -> bool:
    """Whether it has the lease."""
    place = next(iter(ground.root.glob("checkpoints/demo/voc_r50-s0/*/lease")), None)
    found = newest(place) if place else None
    return found is not None and not found.free and found.holder.get("pid") == trainer.pid


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + MOST_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("no takeover")
        time.sleep(POLL)


def left_over(ground: Ground) -> list[str]:
    """Checkpoints, if they are not as many as are kept."""
    states = sorted(path.name for path in ground.root.glob("checkpoints/**/*.safetensors"))
    return states if len(states) != KEPT else []


def run(takeovers: int, seed: int) -> tuple[str, str, list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        tried = Campaign(Path(folder), seed)
        tried.run(takeovers)
    return tried.table(), tried.table(), tried.tally.defects


if __name__ == "__main__":
    campaign("takeovers", run)
