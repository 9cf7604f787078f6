"""A lease on one run: no two trainers in one place.

The lock frees itself when its holder dies, however it dies; the text inside says who holds it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pointrend.errors import TrainingError

log = logging.getLogger(__name__)


@contextmanager
def lease(folder: Path, wait: bool = False) -> Iterator[None]:
    """Hold ``folder``/lease for the life of the block; with ``wait`` as soon as another holder has ended.

    Raises:
        TrainingError: another living process holds it, and there is no ``wait``; the message says which.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lease", "a+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().strip() or "another process"
            if not wait:
                raise TrainingError(f"{folder} is in use by {holder}", "wait for it to end, or stop it") from None
            log.warning("%s is in use by %s; waiting for it to end", folder, holder)
            fcntl.flock(stream, fcntl.LOCK_EX)
        stream.truncate(0)
        stream.write(f"{socket.gethostname()} process {os.getpid()}\n")
        stream.flush()
        yield
