"""Read members out of tar, tgz and zip archives, without ever unpacking to the disk."""

from __future__ import annotations

import contextlib
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from pointrend.errors import ArchiveError

MEMBER_LIMIT = 512 << 20
"""No member of an official archive comes near this size."""

_FETCH_AGAIN = "move it away and fetch again"
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)
"""What tarfile, gzip and zipfile raise on damaged, cut, encrypted or unknown input."""


@dataclass(frozen=True)
class _Member:
    """A regular file in an archive. ``read`` yields its bytes, never more than ``size``."""

    name: str
    size: int
    read: Callable[[], bytes]


class ArchiveReader:
    """Uniform access to the regular files of a .tar, .tgz, .tar.gz or .zip archive; a context manager.

    Every entry is checked when it is met, before any of it is used: absolute names, ``..``, drive letters,
    links, devices, names that occur twice, and members larger than ``member_limit`` bytes raise
    :class:`ArchiveError`, as do damaged and cut archives. A leading ``./`` is not part of a name.
    Not to be shared between threads or processes.
    """

    def __init__(self, path: Path, member_limit: int = MEMBER_LIMIT) -> None:
        self.path = Path(path)
        self._member_limit = member_limit
        self._archive: tarfile.TarFile | zipfile.ZipFile | None = None
        self._members: dict[str, _Member] | None = None

    def __enter__(self) -> ArchiveReader:
        if not self.path.is_file():
            raise ArchiveError(f"{self.path} is not there", "fetch it first")
        with self._damage_reported():
            if self.path.name.endswith(".zip"):
                self._archive = zipfile.ZipFile(self.path)
            else:
                self._archive = tarfile.open(self.path, "r:" if self.path.name.endswith(".tar") else "r:gz")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._archive is not None:
            self._archive.close()
        self._archive = self._members = None

    def names(self) -> list[str]:
        """Names of all regular files, in the archive's order. Reads a .tgz from end to end."""
        return [member.name for member in self._walk()]

    def read(self, name: str) -> bytes:
        """The bytes of one member. In a .tgz this decompresses all that comes before it: prefer :meth:`stream`."""
        members = {member.name: member for member in self._walk()} if self._members is None else self._members
        self._refuse_missing({name} - members.keys())
        return self._load(members[name])

    def stream(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield (name, bytes) of the wanted members in the archive's order, in one pass over the file.

        Raises :class:`ArchiveError` before the first one if the names are known already, else at the end of the
        pass, where a wanted member is not there.
        """
        missing = set(wanted)
        if self._members is not None:
            self._refuse_missing(missing - self._members.keys())
        for member in self._walk():
            if member.name in missing:
                missing.remove(member.name)
                yield member.name, self._load(member)
        self._refuse_missing(missing)

    def _load(self, member: _Member) -> bytes:
        with self._damage_reported(member.name):
            data = member.read()
        if len(data) != member.size:
            raise self._error(f"{member.name} has {len(data)} bytes instead of {member.size}")
        return data

    def _walk(self) -> Iterator[_Member]:
        """Yield all members, checked; the first whole walk is kept as the index."""
        if self._members is not None:
            yield from self._members.values()
            return
        members: dict[str, _Member] = {}
        entries = self._entries()
        while True:
            with self._damage_reported():
                member = next(entries, None)
            if member is None:
                break
            if member.name in members:
                raise self._error(f"it holds {member.name} twice")
            if not 0 <= member.size <= self._member_limit:
                raise self._error(f"{member.name} has {member.size} bytes; {self._member_limit} are allowed")
            members[member.name] = member
            yield member
        self._members = members

    def _entries(self) -> Iterator[_Member]:
        if isinstance(self._archive, zipfile.ZipFile):
            return self._zip_entries(self._archive)
        if isinstance(self._archive, tarfile.TarFile):
            return self._tar_entries(self._archive)
        raise RuntimeError("an ArchiveReader is used inside its with block")

    def _zip_entries(self, archive: zipfile.ZipFile) -> Iterator[_Member]:
        for entry in sorted(archive.infolist(), key=lambda entry: entry.header_offset):
            name = self._safe_name(entry.orig_filename)
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise self._error(f"{name} is a link or a device")
            if not entry.is_dir():
                yield _Member(name, entry.file_size, lambda entry=entry: archive.read(entry))  # type: ignore[misc]

    def _tar_entries(self, archive: tarfile.TarFile) -> Iterator[_Member]:
        for entry in archive:
            name = self._safe_name(entry.name)
            if not (entry.isfile() or entry.isdir()):
                raise self._error(f"{name} is a link or a device")
            if entry.isfile():
                yield _Member(name, entry.size, lambda entry=entry: _tar_bytes(archive, entry))  # type: ignore[misc]
        self._check_end(archive)

    def _check_end(self, archive: tarfile.TarFile) -> None:
        """tarfile takes a cut or damaged header for the end; the real end is a block of zeros, and gzip's checksum
        comes after it."""
        stream = cast(IO[bytes], archive.fileobj)
        stream.seek(archive.offset)
        if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise self._error("it is cut off or damaged: the end of the archive is missing")
        while stream.read(1 << 20):
            pass

    def _safe_name(self, raw: str) -> str:
        name = raw.removeprefix("./").rstrip("/") or "."
        parts = name.split("/")  # an absolute name begins with an empty part
        if "" in parts or ".." in parts or re.search(r"[\\\x00-\x1f]", name) or re.match(r"[A-Za-z]:", name):
            raise self._error(f"the member name {raw!r} is not safe")
        return name

    def _refuse_missing(self, missing: Collection[str]) -> None:
        if missing:
            raise self._error(f"it has no {min(missing)}" + (f" ({len(missing)} missing)" if len(missing) > 1 else ""))

    @contextlib.contextmanager
    def _damage_reported(self, name: str | None = None) -> Iterator[None]:
        try:
            yield
        except _BROKEN as problem:
            where = f" at {name}" if name else ""
            raise self._error(f"it is cut off or damaged{where} ({problem})") from problem

    def _error(self, what: str) -> ArchiveError:
        return ArchiveError(f"{self.path}: {what}", _FETCH_AGAIN)


def _tar_bytes(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    with cast(IO[bytes], archive.extractfile(entry)) as stream:  # None only for directories
        return stream.read(entry.size)
