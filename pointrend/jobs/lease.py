"""A lease on one folder: no two trainers of one run at a time, on any machines.

Leases are numbered files in ``<folder>/lease``; the highest number counts. A process takes a lease by creating the next
number, which only one process can do, also on NFS (O_EXCL). The holder renews it by setting the file's time, and at its
end renames it to mark it free. A dead holder is detected at once on its own machine, and from other machines after
:data:`STALE_SECONDS` without a renewal, measured by the clock of the observer: clocks may differ between machines.

A holder may have been stopped, or cut off from the file server, for that long without being dead. It therefore writes
the files that it shares with later holders through :func:`atomic_path`, with its :class:`Held` as the fence:

1. it makes a temporary file, whose name contains the number of its lease,
2. it renews its lease, which fails if a later holder has removed that,
3. it renames the temporary file.

A later holder first removes the earlier lease, then the temporary files of earlier holders, and only then reads. So a
holder that is too late fails at step 2, and one that was stopped between 2 and 3 has no file left to rename.
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

import psutil

from pointrend.errors import TrainingError, TrainingStopped

log = logging.getLogger(__name__)
BEAT_SECONDS = 10.0  # time between two renewals
STALE_SECONDS = 60.0  # time without a renewal after which a holder on another machine is considered dead
POLL_SECONDS = 0.2
FREE = ".free"
NAME = re.compile(r"\d{6,}(\.free)?")  # of a lease; other files in the folder, such as .nfs*, are ignored


@dataclass(frozen=True)
class Found:
    """The lease that counts, as stored in the folder."""

    number: int
    beat: int  # time of the last renewal, in ns of the file server's clock; only changes of it are meaningful
    holder: dict[str, Any]  # the process that wrote it; empty while it is being written
    free: bool

    @property
    def who(self) -> str:
        """The holder, for a message."""
        if not self.holder:
            return "a process that has just begun"
        job = f", Slurm job {self.holder['job']}," if self.holder["job"] else ""
        return f"{self.holder['host']}{job} process {self.holder['pid']}"


@contextmanager
def lease(folder: Path, *others: Path, wait: bool = False) -> Iterator[Held]:
    """Hold ``folder`` within the block; with ``wait`` as soon as another holder has ended.

    The holder also writes into ``others``. A process whose lease was taken over, because it could not renew it for too
    long, exits at its next write or renewal.

    Raises:
        TrainingError: another living process holds it, and ``wait`` is false; the message names the process.
    """
    place, watch = folder / "lease", Watch(folder, wait)
    place.mkdir(parents=True, exist_ok=True)
    # The number after the one that was found free, and no other: another process may have taken it since.
    while (path := _create(place, watch.until_free().number + 1)) is None:
        time.sleep(POLL_SECONDS)
    held = Held(path, (folder, *others))
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
    """A lease on ``folders[0]`` that this process holds: the right to write into all of ``folders``."""

    def __init__(self, path: Path, folders: tuple[Path, ...]) -> None:
        self.path, self.folders, self.number = path, folders, int(path.stem)
        self.mark = f"{folders[0].name}-{path.stem}"

    def check(self) -> None:
        """Renew the lease.

        Raises:
            TrainingStopped: it was taken over.
            OSError: the file server does not answer.
        """
        try:
            os.utime(self.path)  # this asks the file server, unlike a test whether the file exists
        except OSError as problem:
            if problem.errno not in (errno.ENOENT, errno.ESTALE):
                raise
            found = newest(self.path.parent)
            how = f"taken over by {found.who}" if found.number > self.number else "removed"
            do = "the same command resumes from the last checkpoint, if anything is left to do"
            raise TrainingStopped(f"the lease on {self.folders[0]} was {how}", do) from problem

    def remove_temporary_files(self, before: int) -> None:
        """Remove those of leases with a number below ``before``, so that their holders cannot rename them."""
        ours = re.compile(rf"\..+\.{re.escape(self.folders[0].name)}-(\d{{6,}})\.[^.]+\.tmp")
        for path in (path for folder in self.folders if folder.is_dir() for path in folder.iterdir()):
            found = ours.fullmatch(path.name)
            if found and int(found[1]) < before:
                path.unlink(missing_ok=True)


def newest(place: Path) -> Found:
    """The lease in ``place`` that counts; number 0 if there never was one."""
    while True:
        path = max(_leases(place), key=lambda path: int(path.stem), default=None)
        if path is None:
            return Found(0, 0, {}, free=True)
        with suppress(FileNotFoundError), open(path, encoding="utf-8") as stream:  # it may have been freed meanwhile
            beat, text = os.fstat(stream.fileno()).st_mtime_ns, stream.read()
            return Found(int(path.stem), beat, json.loads(text) if text.endswith("\n") else {}, path.suffix == FREE)


def seems_alive(found: Found) -> bool:
    """Whether a process holds the lease, as far as one look tells.

    A holder on another machine is taken for dead after :data:`STALE_SECONDS` without a renewal by our clock, which may
    be another one than that of the file server. So nobody takes a lease because of this; :class:`Watch` decides that.
    """
    if found.free or not found.holder:
        return not found.free
    if found.holder["machine"] == _machine():
        return _alive(found.holder)
    return time.time() - found.beat / 1e9 < STALE_SECONDS


class Watch:
    """Observes the lease on a folder until no process holds it."""

    def __init__(self, folder: Path, wait: bool) -> None:
        self.folder, self.wait = folder, wait
        self._last: tuple[int, int] | None = None  # number and time of renewal seen before
        self._since = 0.0

    def until_free(self) -> Found:
        """The lease that counts, once it is free; errors as in :meth:`is_free`."""
        while not self.is_free(found := newest(self.folder / "lease")):
            time.sleep(POLL_SECONDS)
        return found

    def is_free(self, found: Found) -> bool:
        """Whether no process holds it, or the holder has died.

        Raises:
            TrainingError: the holder lives, and we do not wait.
        """
        local = found.holder.get("machine") == _machine()
        if found.free or (local and not _alive(found.holder)):
            return True
        current, before = (found.number, found.beat), self._last
        if current != before:
            self._last, self._since = current, time.monotonic()
        if not local and time.monotonic() - self._since >= STALE_SECONDS:
            log.warning("%s was silent for %.0f s; its lease is taken over", found.who, STALE_SECONDS)
            return True
        if not self.wait and (local or before not in (None, current)):
            raise TrainingError(f"{self.folder} is in use by {found.who}", "wait for it to end, or stop it")
        if before is None:
            what = "waiting for it to end" if self.wait else f"checking for {STALE_SECONDS:.0f} s whether it is alive"
            log.warning("%s is in use by %s; %s", self.folder, found.who, what)
        return False


def _create(place: Path, number: int) -> Path | None:
    """Lease ``number``, None if another process was faster."""
    path = place / f"{number:06d}"
    try:
        with open(path, "x", encoding="utf-8") as stream:
            stream.write(json.dumps(_ourselves()) + "\n")
    except FileExistsError:
        return None
    # Our number may be out of date: others may have taken later ones, and removed this one, since we read the folder.
    others = [other for other in _leases(place) if other != path]
    passed = any(int(other.stem) > number for other in others)
    for old in [path] if passed else others:
        old.unlink(missing_ok=True)  # a later holder may have removed it already
    return None if passed else path


def _keep(held: Held, ended: threading.Event) -> None:
    while not ended.wait(BEAT_SECONDS):
        try:
            held.check()
        except TrainingStopped as lost:
            log.error("%s; this process exits", lost.what)
            held.remove_temporary_files(before=held.number + 1)
            os._exit(TrainingStopped.exit_code)  # the next write may be far away
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
    """Identifies a process number's scope: one boot of one machine, and one container on it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _alive(holder: dict[str, Any]) -> bool:
    return psutil.pid_exists(holder["pid"]) and _start_time(holder["pid"]) == holder["started"]


def _start_time(pid: int) -> str | None:
    """Start time of a process, by which a reused process number is detected; None if it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return None if fields[0] in "ZX" else fields[19]


def _leases(place: Path) -> list[Path]:
    return [path for path in place.iterdir() if NAME.fullmatch(path.name)] if place.is_dir() else []
