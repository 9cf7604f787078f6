"""A lease on one run: no two trainers in one place.

The lock frees itself when its holder dies, however it dies; the text inside says who holds it.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pointrend.errors import TrainingError


@contextmanager
def lease(folder: Path) -> Iterator[None]:
    """Hold ``folder``/lease for the life of the block.

    Raises:
        TrainingError: another living process holds it; the message says which.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lease", "a+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().strip() or "another process"
            raise TrainingError(f"{folder} is in use by {holder}", "wait for it to end, or stop it") from None
        stream.truncate(0)
        stream.write(f"{socket.gethostname()} process {os.getpid()}\n")
        stream.flush()
        yield
