"""The progress of a long transfer: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator

from tqdm import tqdm

from pointrend.logs import hides_bars

LEAST_PAUSE_S = 10.0
"""No two plain lines come closer than this."""
LONGEST_PAUSE_S = 60.0
"""A plain line is due after this time, or as soon as a tenth of the whole has been added."""

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def transfer_progress(name: str, total: int | None, done: int, bar: bool | None) -> Iterator[Callable[[int], None]]:
    """Yield a function to be called with every number of further bytes.

    ``total`` is the whole size where known, ``done`` what was there before; ``bar`` None means a bar if stderr is a
    terminal.
    """
    disable = hides_bars() if bar is None else not bar
    with tqdm(
        desc=name, total=total, initial=done, disable=disable, unit="B", unit_scale=True, unit_divisor=1024
    ) as shown:
        plain = _PlainLines(name, total, done)

        def advance(count: int) -> None:
            plain.add(count) if shown.disable else shown.update(count)

        yield advance


class _PlainLines:
    def __init__(self, name: str, total: int | None, done: int) -> None:
        self.name, self.total, self.done = name, total, done
        self.shown_at, self.shown_done = time.monotonic(), done

    def add(self, count: int) -> None:
        self.done += count
        waited = time.monotonic() - self.shown_at
        tenth = self.total is not None and (self.done - self.shown_done) * 10 >= self.total
        if waited >= LONGEST_PAUSE_S or (tenth and waited >= LEAST_PAUSE_S):
            share = f" of {self.total >> 20} MiB ({self.done * 100 // self.total} %)" if self.total else ""
            logger.info("%s: %d MiB%s", self.name, self.done >> 20, share)
            self.shown_at, self.shown_done = time.monotonic(), self.done
