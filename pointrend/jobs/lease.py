"""A lease on one folder: no two trainers of one run, on whichever machines they are.

Leases are numbered files in ``<folder>/lease``; the highest number counts. A lease is taken by creating the next
number, which only one process can do, also on NFS (O_EXCL). Its holder renews it with a sign of life, the file's time,
and marks it free at the end by renaming it. A holder that died is recognised at once on its own machine, and elsewhere
by :data:`STALE_SECONDS` without a sign of life, counted by the clock of whoever looks: the machines' clocks may differ.

A holder may have been stopped, or cut off from the file server, for that long without being dead. What it shares with
later holders it therefore writes through :func:`atomic_path` with its :class:`Held` as the fence:

1. it makes a temporary file, whose name holds the number of its lease,
2. it renews its lease, which fails if a later holder has removed that,
3. it renames the temporary file.

A later holder removes the earlier lease first and the earlier holders' temporary files then, and reads afterwards. So a
holder that comes to step 2 too late stops there, and one that was stopped between 2 and 3 has nothing left to rename.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
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
NAME = re.compile(r"\d{6,}(\.free)?")
"""Of a lease; whatever else lies in the folder, the .nfs* files that NFS leaves for a while for example, is none."""


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
def lease(folder: Path, *others: Path, wait: bool = False) -> Iterator[Held]:
    """Hold ``folder`` for the life of the block; with ``wait`` as soon as another holder has ended.

    The holder also writes into ``others``. A process whose lease was taken over, because it gave no sign of life for so
    long, ends at its next write or sign of life.

    Raises:
        TrainingError: another living process holds it, and there is no ``wait``; the message says which.
    """
    place = folder / "lease"
    place.mkdir(parents=True, exist_ok=True)
    held = Held(_take(place, Watch(folder), wait), (folder, *others))
    held.remove_temporary_files(before=held.number)
    ended = threading.Event()
    beat = threading.Thread(target=_keep, args=(held, ended), daemon=True, name="lease")
    beat.start()
    try:
        yield held
    finally:
        ended.set()
        beat.join()
        with suppress(FileNotFoundError):
            held.path.rename(held.path.with_suffix(FREE))


class Held:
    """A lease that this process holds: the right to write into ``folders``, the first of which the lease is on."""

    def __init__(self, path: Path, folders: tuple[Path, ...]) -> None:
        self.path, self.folders, self.number = path, folders, _number(path)
        self._name = folders[0].name
        self.mark = f"{self._name}-{path.stem}"

    def check(self) -> None:
        """Renew the lease.

        Raises:
            TrainingStopped: it was taken over.
            OSError: the file server does not answer.
        """
        try:
            os.utime(self.path)  # which goes to the file server, unlike a look at a name
        except OSError as problem:
            if problem.errno not in (errno.ENOENT, errno.ESTALE):
                raise
            found = newest(self.path.parent)
            how = f"taken over by {found.who}" if found.number > self.number else "removed"
            do = "the same command goes on from the last checkpoint, if anything is left to do"
            raise TrainingStopped(f"the lease on {self.folders[0]} was {how}", do) from problem

    def remove_temporary_files(self, before: int) -> None:
        """Remove those of holders with a number below ``before``, so that nothing is left that they could rename."""
        ours = re.compile(rf"\..+\.{re.escape(self._name)}-(\d{{6,}})\.[^.]+\.tmp")
        for path in (path for folder in self.folders if folder.is_dir() for path in folder.iterdir()):
            found = ours.fullmatch(path.name)
            if found and int(found[1]) < before:
                path.unlink(missing_ok=True)


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
        path.unlink(missing_ok=True)  # the other one may have removed it already
        return None
    for other in others:
        other.unlink(missing_ok=True)
    return path


def _keep(held: Held, ended: threading.Event) -> None:
    while not ended.wait(BEAT_SECONDS):
        try:
            held.check()
        except TrainingStopped as lost:
            log.error("%s; this process ends", lost.what)
            held.remove_temporary_files(before=held.number + 1)
            os._exit(TrainingStopped.exit_code)  # It may be long until the next write.
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
    """All leases in the folder."""
    return [path for path in place.iterdir() if NAME.fullmatch(path.name)] if place.is_dir() else []


def _number(path: Path) -> int:
    return int(path.stem)
