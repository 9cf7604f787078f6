"""A signal asks a training to stop: SIGTERM from whoever needs the machine, SIGUSR1 when a job's time is nearly over.

Training goes on to the end of the iteration, leaves a checkpoint, and raises TrainingStopped.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pointrend.errors import TrainingStopped

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """Whether this process was asked to stop, and how."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def note(self, number: int, frame: FrameType | None = None) -> None:
        """Remember a signal; the first one counts."""
        self.signal = self.signal or signal.Signals(number)


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turn :data:`STOP_SIGNALS` into a request for the life of the block; in the main thread only."""
    request = StopRequest()
    before = {number: signal.signal(number, request.note) for number in STOP_SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stopped(request: StopRequest | None, iteration: int) -> TrainingStopped:
    """What to raise once the checkpoint after ``iteration`` iterations is there; perhaps another process was asked."""
    by = request.signal.name if request and request.signal else "a signal to another process"
    return TrainingStopped(f"stopped by {by} at iteration {iteration}", "the same command goes on from there")
