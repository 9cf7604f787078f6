"""A signal asks a training to stop: SIGTERM when its machine is needed, SIGUSR1 when a job's time is nearly over.

Training goes on to the end of the iteration, writes a checkpoint, and raises TrainingStopped.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
log = logging.getLogger(__name__)


class StopRequest:
    """The signal that asked this process to stop, if one has."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __call__(self) -> str | None:
        """Name of the signal."""
        return self.signal.name if self.signal else None

    def note(self, number: int, frame: FrameType | None = None) -> None:
        """Remember a signal; the first one counts."""
        self.signal = self.signal or signal.Signals(number)


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turn :data:`STOP_SIGNALS` into a request within the block; in the main thread only."""
    request = StopRequest()
    before = {number: signal.signal(number, request.note) for number in STOP_SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def requeue_after(request: signal.Signals | None) -> None:
    """Put this Slurm job back into the queue if SIGUSR1 announced that its time is nearly over.

    So a training can take any number of jobs without using up an engine's retries. Where Slurm refuses, the exit code
    makes the engine retry.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or request != signal.SIGUSR1:
        return
    requeue = ["scontrol", "requeue", job]
    try:
        subprocess.run(requeue, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 no shell, a number
    except (OSError, subprocess.SubprocessError) as error:
        problem = " ".join(str(getattr(error, "stderr", None) or error).split())
        log.warning("cannot put job %s back into the queue: %s", job, problem)
    else:
        log.info("job %s is back in the queue", job)
