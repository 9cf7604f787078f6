"""The attempts at a training, and whether a further one can succeed.

An engine that retries a failed job cannot distinguish a lost node from a wrong setting. So the trainer keeps
attempts.json beside the checkpoints, under its lease, with one record per start; train.json takes them over
(docs/provenance.md). After a failure that would occur again (exit code 2 or 3), and after
:data:`TRIES_WITHOUT_PROGRESS` attempts without progress, every later attempt of the same command fails at once. Another
command, typed after the cause was fixed, starts anew.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pointrend.errors import PointrendError, TrainingError, TrainingStopped
from pointrend.files import Fence, read_json, write_json
from pointrend.training.identity import KEY, Identity

COMMAND = "POINTREND_COMMAND"  # variable that an engine sets to the same value for all jobs of one of its commands
SEEDS = "POINTREND_SEEDS"  # variable with the seeds that an engine was given
TRIES_WITHOUT_PROGRESS = 3
DONE = "done"


class Attempts:
    """The attempts at one training; only the process that writes its files may use it.

    Raises:
        TrainingError: those in ``folder`` cannot be read, or belong to a different training.
    """

    def __init__(self, folder: Path, training: Identity, fence: Fence | None = None) -> None:
        self.path, self._fence = folder / "attempts.json", fence
        do = f"remove {self.path} and train again: it resumes from its checkpoint"
        self.record: dict[str, Any] = {KEY: training.record, "command": None, "failed": None, "attempts": []}
        if self.path.is_file():
            self.record = read_json(self.path, TrainingError, do, keys=self.record)
            training.check(self.record, self.path)
        self.records: list[dict[str, Any]] = self.record["attempts"]  # the oldest first

    @contextmanager
    def attempt(self, iteration: int, code: Mapping[str, Any]) -> Iterator[None]:
        """Record one attempt that starts after ``iteration`` finished iterations, and how it ends.

        ``code`` describes the code that computes from here on: at the end, there may be a newer commit.

        Raises:
            TrainingError: an attempt of the same command has shown that a further one cannot succeed.
        """
        command = os.environ.get(COMMAND)
        self._refuse_useless(command, iteration)
        self.records.append({})
        self.note(
            iteration=iteration,
            lease=self._fence.number if self._fence else 0,
            **code,
            machine=None,  # known once its processes are connected
            command=command,
            host=socket.gethostname(),
            job=os.environ.get("SLURM_JOB_ID"),
            began=time.strftime("%Y-%m-%d %H:%M:%S"),
            ended=None,
        )
        try:
            yield
        except TrainingStopped as stopped:
            self.note(ended=stopped.what)
            raise
        except (PointrendError, OSError) as error:
            self.record["failed"] = str(error)
            with suppress(OSError):  # on a full disk, say; the first error is the one to report
                self.note(ended=str(error))
            raise
        self.note(ended=DONE)

    def note(self, **values: Any) -> None:
        """Write the records, with these values in the last one."""
        self.records[-1] |= values
        write_json(self.path, self.record, self._fence)

    def _refuse_useless(self, command: str | None, iteration: int) -> None:
        if command is None or command != self.record["command"]:
            self.record |= {"command": command, "failed": None}
            return
        last = self.records[-TRIES_WITHOUT_PROGRESS:]
        stuck = [
            (found["command"], found["iteration"]) == (command, iteration) and found["ended"] != DONE for found in last
        ]
        if self.record["failed"] is None and sum(stuck) == TRIES_WITHOUT_PROGRESS:
            what = f"{TRIES_WITHOUT_PROGRESS} consecutive attempts made no progress beyond iteration {iteration}"
            self.record["failed"] = f"{what} (the last one ended: {last[-1]['ended'] or 'killed'})"
            self.note()
        if self.record["failed"] is not None:
            do = "fix the cause and run the command again"
            raise TrainingError(f"not tried again: {self.record['failed']}", do)
