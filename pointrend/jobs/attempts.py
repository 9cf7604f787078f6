"""How often a training was begun, and whether it is any use to begin it again.

An engine that tries a failed job again cannot tell a lost node from a wrong setting. So the trainer keeps attempts.json
beside the checkpoints, with one record for every start, which train.json takes over (docs/provenance.md). It says whose
attempts they are and is written under the lease (see lease.py), whose number each of them has. After a
failure that the same input repeats (exit code 2 or 3), and after :data:`TRIES_WITHOUT_PROGRESS` attempts that came no
further, every later attempt of the same command ends at once. Another command, typed after whatever was wrong has been
mended, begins anew.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

from pointrend.errors import PointrendError, TrainingError, TrainingStopped
from pointrend.files import Fence, read_json, write_json
from pointrend.training.identity import KEY, Identity

COMMAND = "POINTREND_COMMAND"
"""Set by an engine to something that differs between two of its commands and is kept by the jobs of one."""
TRIES_WITHOUT_PROGRESS = 3
DONE = "done"


class Attempts:
    """The attempts at one training; only the process that writes its files may use it.

    Raises:
        TrainingError: those in ``folder`` cannot be read, or are of another training.
    """

    def __init__(self, folder: Path, training: Identity, fence: Fence | None = None) -> None:
        self.path, self._fence = folder / "attempts.json", fence
        do = f"remove {self.path} and train again: it goes on from its checkpoint"
        self.record: dict[str, Any] = {KEY: training.record, "command": None, "failed": None, "attempts": []}
        if self.path.is_file():
            self.record = read_json(self.path, TrainingError, do, keys=self.record)
            training.check(self.record, self.path)

    @property
    def records(self) -> list[dict[str, Any]]:
        """One record for every attempt so far, the first one first, this one included."""
        return list(self.record["attempts"])

    @contextmanager
    def attempt(self, iteration: int, code: Mapping[str, Any]) -> Iterator[None]:
        """One attempt from ``iteration`` finished ones on; how it ends is written down.

        ``code`` says what computes from here on: what is asked at the end would miss a commit made meanwhile.

        Raises:
            TrainingError: an attempt of the same command has shown that it is no use.
        """
        self._begin(iteration, code)
        try:
            yield
        except TrainingStopped as stopped:
            self._end(stopped.what)
            raise
        except (PointrendError, OSError) as error:
            with suppress(OSError):  # a full disk, for example, which is then the error that counts
                self._end(str(error), failed=True)
            raise
        self._end(DONE)

    def runs_on(self, machine: Mapping[str, Any]) -> None:
        """Note the machine of this attempt, which is known once its processes have met."""
        self.record["attempts"][-1]["machine"] = machine
        self._write()

    def _begin(self, iteration: int, code: Mapping[str, Any]) -> None:
        command = os.environ.get(COMMAND)
        if command is None or command != self.record["command"]:
            self.record |= {"command": command, "failed": None}
        elif self.record["failed"] is None and self._vain(command, iteration) >= TRIES_WITHOUT_PROGRESS:
            what = f"{TRIES_WITHOUT_PROGRESS} attempts in a row came no further than iteration {iteration}"
            self.record["failed"] = f"{what}, the last one ended: {self._last_end()}"
            self._write()
        if self.record["failed"] is not None:
            do = "correct that and type the command again"
            raise TrainingError(f"not tried again: {self.record['failed']}", do)
        self.record["attempts"].append(
            {
                "iteration": iteration,
                "lease": self._fence.number if self._fence else 0,
                **code,
                "machine": None,
                "command": command,
                "host": socket.gethostname(),
                "job": os.environ.get("SLURM_JOB_ID"),
                "began": time.strftime("%Y-%m-%d %H:%M:%S"),
                "ended": None,
            }
        )
        self._write()

    def _end(self, how: str, failed: bool = False) -> None:
        self.record["attempts"][-1]["ended"] = how
        if failed:
            self.record["failed"] = how
        self._write()

    def _vain(self, command: str, iteration: int) -> int:
        """How many attempts of ``command``, up to the last one, began where the next one would and did not finish."""

        def in_vain(attempt: dict[str, Any]) -> bool:
            return attempt["command"] == command and attempt["iteration"] == iteration and attempt["ended"] != DONE

        return len(list(takewhile(in_vain, reversed(self.record["attempts"]))))

    def _last_end(self) -> str:
        return self.record["attempts"][-1]["ended"] or "killed"

    def _write(self) -> None:
        write_json(self.path, self.record, self._fence)
