"""Machines that lack something: permissions, room, programs. All of it works as any user, root included."""

import contextlib
import ctypes
import os
import resource
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

CAPABILITIES_V3 = 0x20080522
# CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER: what lets root write where it may not
OVERRIDES = (1 << 1) | (1 << 2) | (1 << 3)


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """File permissions hold for this thread, and for those that it starts, even if it is root's."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_V3, 0)  # version, this thread
    data = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, twice

    def call(name: str) -> None:
        if getattr(libc, name)(ctypes.byref(header), data) != 0:
            raise OSError(ctypes.get_errno(), name)

    call("capget")
    before = data[0]
    data[0] = before & ~OVERRIDES
    call("capset")
    try:
        yield
    finally:
        data[0] = before
        call("capset")


@contextlib.contextmanager
def _with_mode(path: Path, mode: int) -> Iterator[None]:
    before = path.stat().st_mode
    path.chmod(mode)
    try:
        with without_privileges():
            yield
    finally:
        path.chmod(before)


def read_only(folder: Path) -> AbstractContextManager[None]:
    return _with_mode(folder, 0o555)


def unreadable(file: Path) -> AbstractContextManager[None]:
    return _with_mode(file, 0o200)


@contextlib.contextmanager
def _limited(what: int, most: int) -> Iterator[None]:
    before = resource.getrlimit(what)
    resource.setrlimit(what, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(what, before)


def no_room(most_bytes: int) -> AbstractContextManager[None]:
    """No file can grow beyond ``most_bytes``: the system refuses the write, as it does on a full disk."""
    return _limited(resource.RLIMIT_FSIZE, most_bytes)


def scarce_memory(most_bytes: int) -> AbstractContextManager[None]:
    """This process cannot take ``most_bytes`` more of memory than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return _limited(resource.RLIMIT_AS, pages * resource.getpagesize() + most_bytes)


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
