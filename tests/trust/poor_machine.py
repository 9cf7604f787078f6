"""Machines that lack something: permissions, room, programs. All of it works as any user, root included."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
from collections.abc import Iterator
from pathlib import Path

_CAPABILITIES_V3 = 0x20080522
_OVERRIDES = (1 << 1) | (1 << 2) | (1 << 3)
"""CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER: what lets root write where it may not."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """File permissions hold for this thread, and for those that it starts, even if it is root's."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = _Header(_CAPABILITIES_V3, 0), (_Data * 2)()
    if libc.capget(ctypes.byref(header), data) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    before = data[0].effective
    data[0].effective = before & ~_OVERRIDES
    if libc.capset(ctypes.byref(header), data) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    try:
        yield
    finally:
        data[0].effective = before
        if libc.capset(ctypes.byref(header), data) != 0:
            raise OSError(ctypes.get_errno(), "capset")


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing can be written into ``folder``."""
    mode = folder.stat().st_mode
    folder.chmod(0o555)
    try:
        with without_privileges():
            yield
    finally:
        folder.chmod(mode)


@contextlib.contextmanager
def unreadable(file: Path) -> Iterator[None]:
    """``file`` cannot be read."""
    mode = file.stat().st_mode
    file.chmod(0o200)
    try:
        with without_privileges():
            yield
    finally:
        file.chmod(mode)


@contextlib.contextmanager
def no_room(most_bytes: int) -> Iterator[None]:
    """No file can grow beyond ``most_bytes``: the system refuses the write, as it does on a full disk."""
    with _limited(resource.RLIMIT_FSIZE, most_bytes):
        yield


@contextlib.contextmanager
def scarce_memory(most_bytes: int) -> Iterator[None]:
    """This process cannot take ``most_bytes`` more of memory than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    with _limited(resource.RLIMIT_AS, pages * resource.getpagesize() + most_bytes):
        yield


@contextlib.contextmanager
def _limited(what: int, most: int) -> Iterator[None]:
    before = resource.getrlimit(what)
    resource.setrlimit(what, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(what, before)


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
