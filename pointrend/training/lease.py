"""A lease on one folder: no two trainers of one run, on whichever machines they are.

Leases are numbered files in ``<folder>/lease``; the highest number counts. A lease is taken by creating the next
number, which only one process can do, also on NFS (O_EXCL). Its holder renews it with a sign of life, the file's time,
and marks it free at the end by renaming it. A holder that died is recognised at once on its own machine, and elsewhere
by :data:`STALE_SECONDS` without a sign of life, counted by the clock of whoever looks: the machines' clocks may differ.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointrend.errors import TrainingError, TrainingStopped

log = logging.getLogger(__name__)
BEAT_SECONDS = 10.0
"""Time between two signs of life."""
STALE_SECONDS = 60.0
"""Time without one after which the holder on another machine counts as dead."""
POLL_SECONDS = 0.2
FREE = ".free"


@dataclass(frozen=True)
class Found:
    """The lease that counts, as it lies in the folder."""

    number: int
    beat: int
    """Time of the last sign of life, nanoseconds by the file server's clock; only a change of it means something."""
    holder: dict[str, Any]
    """Who wrote it; empty while it is being written."""
    free: bool

    @property
    def who(self) -> str:
        """The holder, for a message."""
        if not self.holder:
            return "a process that has just begun"
        job = f", Slurm job {self.holder['job']}," if self.holder["job"] else ""
        return f"{self.holder['host']}{job} process {self.holder['pid']}"

    @property
    def local(self) -> bool:
        """Whether its holder is, or was, a process of this machine."""
        return bool(self.holder) and self.holder["machine"] == _machine()


@contextmanager
def lease(folder: Path, wait: bool = False) -> Iterator[None]:
    """Hold ``folder`` for the life of the block; with ``wait`` as soon as another holder has ended.

    A process whose lease was taken over, because it gave no sign of life for so long, ends at once.

    Raises:
        TrainingError: another living process holds it, and there is no ``wait``; the message says which.
    """
    place = folder / "lease"
    place.mkdir(parents=True, exist_ok=True)
    path = _take(place, Watch(folder), wait)
    ended = threading.Event()
    beat = threading.Thread(target=_keep, args=(path, ended), daemon=True, name="lease")
    beat.start()
    try:
        yield
    finally:
        ended.set()
        beat.join()
        with suppress(FileNotFoundError):
            path.rename(path.with_suffix(FREE))


def wait_until_free(folder: Path) -> None:
    """Return when nobody holds ``folder``."""
    watch = Watch(folder)
    while not watch.is_free(newest(folder / "lease"), wait=True):
        time.sleep(POLL_SECONDS)


def newest(place: Path) -> Found:
    """The lease in ``place`` that counts; number 0 where there was never one."""
    while True:
        path = max(_leases(place), key=_number, default=None)
        if path is None:
            return Found(0, 0, {}, free=True)
        with suppress(FileNotFoundError), open(path, encoding="utf-8") as stream:  # or it was freed or passed meanwhile
            beat, text = os.fstat(stream.fileno()).st_mtime_ns, stream.read()
            return Found(_number(path), beat, json.loads(text) if text.endswith("\n") else {}, path.suffix == FREE)


class Watch:
    """Looks at a lease again and again until it is free."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._last: tuple[int, int] | None = None
        self._since = 0.0
        self._said = False

    def is_free(self, found: Found, wait: bool) -> bool:
        """Whether nobody holds it, or the holder has died.

        Raises:
            TrainingError: it lives, and there is no ``wait``.
        """
        if found.free:
            return True
        if found.local:
            if not _alive(found.holder):
                return True
            living = True
        else:
            living = self._last is not None and self._last != (found.number, found.beat)
            if self._last is None or living:
                self._last, self._since = (found.number, found.beat), time.monotonic()
            if time.monotonic() - self._since >= STALE_SECONDS:
                log.warning("%s gave no sign of life for %.0f s; its lease is taken over", found.who, STALE_SECONDS)
                return True
        if living and not wait:
            raise TrainingError(f"{self.folder} is in use by {found.who}", "wait for it to end, or stop it")
        if not self._said:
            self._said = True
            what = "waiting for it to end" if wait else f"looking for a sign of life, at most {STALE_SECONDS:.0f} s"
            log.warning("%s is in use by %s; %s", self.folder, found.who, what)
        return False


def _take(place: Path, watch: Watch, wait: bool) -> Path:
    while True:
        found = newest(place)
        # The number after the one that was judged, and no other: it may have been taken since.
        if watch.is_free(found, wait) and (path := _create(place, found.number + 1)) is not None:
            return path
        time.sleep(POLL_SECONDS)


def _create(place: Path, number: int) -> Path | None:
    """Lease ``number``, None if another process was faster."""
    path = place / f"{number:06d}"
    try:
        with open(path, "x", encoding="utf-8") as stream:
            stream.write(json.dumps(_ourselves()) + "\n")
    except FileExistsError:
        return None
    # Whoever looked at the folder long ago may have created a number that was passed and removed since.
    others = [other for other in _leases(place) if other != path]
    if any(_number(other) > number for other in others):
        path.unlink()
        return None
    for other in others:
        other.unlink(missing_ok=True)
    return path


def _keep(path: Path, ended: threading.Event) -> None:
    while not ended.wait(BEAT_SECONDS):
        try:
            os.utime(path)
        except FileNotFoundError:
            log.error("the lease was taken over by %s; this process ends", newest(path.parent).who)
            # At once: a last checkpoint would be written beside those of the new holder.
            os._exit(TrainingStopped.exit_code)
        except OSError as error:
            log.warning("cannot renew the lease: %s", error)


def _ourselves() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "job": os.environ.get("SLURM_JOB_ID"),
        "machine": _machine(),
        "started": _start_time(os.getpid()),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _machine() -> str:
    """Where process numbers mean the same: one boot of one machine, and one container of it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _alive(holder: dict[str, Any]) -> bool:
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _start_time(holder["pid"]) == holder["started"]


def _start_time(pid: int) -> str | None:
    """When a process began, so that its number given to another one is noticed; None if it is only a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return None if fields[0] in "ZX" else fields[19]


def _leases(place: Path) -> list[Path]:
    """All leases in the folder; not the .nfs* files that NFS leaves for a while."""
    return [path for path in place.iterdir() if path.stem.isdecimal()] if place.is_dir() else []


def _number(path: Path) -> int:
    return int(path.stem)
