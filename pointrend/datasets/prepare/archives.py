"""Read members out of tar, tgz and zip archives, without ever unpacking to the disk."""

from __future__ import annotations

import contextlib
import gzip
import logging
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
"""No member of an official archive comes near this size, in bytes."""
MEMBERS_LIMIT = 1_000_000
"""The official archives have up to about 50,000 members, folders included."""
GROWTH_LIMIT = 200
"""How many times its own size an archive may unpack to; pictures are compressed already and hardly grow at all."""
ALWAYS_ALLOWED = 1 << 30
"""What every archive may unpack to, in bytes."""
HEADER_LIMIT = 1 << 20
"""Bytes that tarfile may read for the header of one member: long names and the like."""

FOLDERS_SHOWN = 5

_FETCH_AGAIN = "move it away and fetch again"
_PACK_AGAIN = "pack it with the folders of the official archive, or fetch that one"
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)
"""What tarfile, gzip and zipfile raise on damaged, cut, encrypted or unknown input."""


log = logging.getLogger(__name__)


def added_by_macos(name: str) -> bool:
    """Whether a file, by its path, is one that macOS adds to folders and archives: it holds no data of anybody's."""
    parts = name.split("/")
    return parts[-1].startswith("._") or parts[-1] == ".DS_Store" or "__MACOSX" in parts


@dataclass(frozen=True)
class _Member:
    """A regular file in an archive. ``read`` yields its bytes, never more than ``size``.

    ``unpacked`` is how many bytes the archive has unpacked to, down to the end of this member.
    """

    name: str
    size: int
    unpacked: int
    read: Callable[[], bytes]


class _TarStream:
    """A file for tarfile, which reads headers of any length into memory: at most ``left`` bytes more are given."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.left = file, HEADER_LIMIT
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        self.left -= size
        if size < 0 or self.left < 0:
            raise tarfile.ReadError(f"the header of a member takes more than {HEADER_LIMIT} bytes")
        return self.file.read(size)


class ArchiveReader:
    """Uniform access to the regular files of a .tar, .tgz, .tar.gz or .zip archive; a context manager.

    Every entry is checked when it is met, before any of it is used: absolute names, ``..``, drive letters,
    links, devices, names that occur twice, members larger than ``member_limit`` bytes, more than :data:`MEMBERS_LIMIT`
    of them, and more than :data:`GROWTH_LIMIT` times the archive's own bytes if also above
    :data:`ALWAYS_ALLOWED` raise :class:`ArchiveError`, as do damaged and cut archives. A leading ``./`` is not part
    of a name. What macOS adds when it packs is passed over, with a warning.
    Not to be shared between threads or processes.
    """

    def __init__(self, path: Path, member_limit: int = MEMBER_LIMIT) -> None:
        self.path = Path(path)
        self._member_limit = member_limit
        self._archive: tarfile.TarFile | zipfile.ZipFile | None = None
        self._stream: _TarStream | None = None
        self._members: dict[str, _Member] | None = None

    def __enter__(self) -> ArchiveReader:
        if not self.path.is_file():
            raise ArchiveError(f"{self.path} is not there", "fetch it first")
        with self._damage_reported():
            if self.path.name.endswith(".zip"):
                self._archive = zipfile.ZipFile(self.path)
            else:
                plain = self.path.name.endswith(".tar")
                self._stream = _TarStream(open(self.path, "rb") if plain else cast(IO[bytes], gzip.open(self.path)))
                self._archive = tarfile.TarFile(fileobj=cast(IO[bytes], self._stream))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for opened in (self._archive, self._stream):
            if opened is not None:
                opened.close()
        self._archive = self._stream = self._members = None

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

    def require_folder(self, folder: str) -> None:
        """Raise :class:`ArchiveError` where no file is in ``folder``, ``a/b`` for example; it says what is there."""
        names, place = self.names(), ""
        for part in folder.split("/") if folder else ():
            there = sorted({name.removeprefix(place).split("/")[0] for name in names if name.startswith(place)})
            if part not in there:
                instead = ", ".join(there[:FOLDERS_SHOWN]) + (", ..." if len(there) > FOLDERS_SHOWN else "")
                what = f"it has no folder {folder}: {place or 'its top'} holds {instead or 'nothing'}, not {part}"
                raise ArchiveError(f"{self.path}: {what}", _PACK_AGAIN)
            place += f"{part}/"

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
        added = 0
        most = max(ALWAYS_ALLOWED, GROWTH_LIMIT * self.path.stat().st_size)
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
            if member.unpacked > most:
                raise self._error(f"it unpacks to more than {most} bytes, {GROWTH_LIMIT} times its own size")
            if added_by_macos(member.name):
                added += 1
                continue
            members[member.name] = member
            yield member
        self._members = members
        if added:
            log.warning("%s: %d file(s) that macOS added are passed over", self.path, added)

    def _entries(self) -> Iterator[_Member]:
        if isinstance(self._archive, zipfile.ZipFile):
            return self._zip_entries(self._archive)
        if isinstance(self._archive, tarfile.TarFile) and self._stream is not None:
            return self._tar_entries(self._archive, self._stream)
        raise RuntimeError("an ArchiveReader is used inside its with block")

    def _zip_entries(self, archive: zipfile.ZipFile) -> Iterator[_Member]:
        entries, unpacked = archive.infolist(), 0
        self._refuse_too_many(len(entries))
        for entry in sorted(entries, key=lambda entry: entry.header_offset):
            name = self._safe_name(entry.orig_filename)
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise self._error(f"{name} is a link or a device")
            unpacked += entry.file_size
            if not entry.is_dir():
                yield _Member(name, entry.file_size, unpacked, lambda entry=entry: archive.read(entry))  # type: ignore[misc]

    def _tar_entries(self, archive: tarfile.TarFile, stream: _TarStream) -> Iterator[_Member]:
        stream.left = HEADER_LIMIT
        for number, entry in enumerate(archive, start=1):
            self._refuse_too_many(number)
            name, unpacked = self._safe_name(entry.name), entry.offset_data + entry.size
            if not (entry.isfile() or entry.isdir()):
                raise self._error(f"{name} is a link or a device")
            if entry.isfile():
                yield _Member(name, entry.size, unpacked, lambda entry=entry: _tar_bytes(archive, stream, entry))  # type: ignore[misc]
            entry.pax_headers = {}  # tarfile keeps every entry, and a million of these would be too much
            stream.left = HEADER_LIMIT
        self._check_end(archive, stream.file)

    def _refuse_too_many(self, members: int) -> None:
        if members > MEMBERS_LIMIT:
            raise self._error(f"it has more than {MEMBERS_LIMIT} members")

    def _check_end(self, archive: tarfile.TarFile, stream: IO[bytes]) -> None:
        """tarfile takes a cut or damaged header for the end; the real end is a block of zeros, and gzip's checksum
        comes after it."""
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
            self.require_folder(min(missing).rpartition("/")[0])
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


def _tar_bytes(archive: tarfile.TarFile, source: _TarStream, entry: tarfile.TarInfo) -> bytes:
    source.left = entry.size
    with cast(IO[bytes], archive.extractfile(entry)) as stream:  # None only for directories
        return stream.read(entry.size)
