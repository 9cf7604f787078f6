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
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from pointrend.errors import ArchiveError

# Limits of an archive. Official ones have up to about 50,000 members, folders included, none near 512 MiB; images are
# compressed already and hardly grow.
MEMBER_LIMIT = 512 << 20  # bytes of a member
MEMBERS_LIMIT = 1_000_000
GROWTH_LIMIT = 200  # how many times its own size an archive may unpack to ...
ALWAYS_ALLOWED = 1 << 30  # ... if that is more than this, in bytes
HEADER_LIMIT = 1 << 20  # bytes that tarfile may read for the header of one member: long names and the like

_FETCH_AGAIN = "move it away and fetch again"
_PACK_AGAIN = "pack it with the folders of the official archive, or fetch that one"
# Errors of tarfile, gzip and zipfile on damaged, cut, encrypted or unknown input.
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)

# Names with an empty part (an absolute one begins with it), "..", a drive letter, a backslash or a control character.
_UNSAFE = re.compile(r"(^|/)(\.\.)?(/|$)|^[A-Za-z]:|[\\\x00-\x1f]")

log = logging.getLogger(__name__)


def added_by_macos(name: str) -> bool:
    """Whether a path is of a file that macOS adds to folders and archives, and that holds no data of the user."""
    parts = name.split("/")
    return parts[-1].startswith("._") or parts[-1] == ".DS_Store" or "__MACOSX" in parts


class _Entry(NamedTuple):
    """An entry of an archive. ``read`` returns its bytes, never more than ``size``."""

    name: str
    kind: str | None  # "file", "folder", or None for links and devices
    size: int
    end: int  # bytes that the archive has unpacked to, up to the end of this entry
    read: Callable[[], bytes]


class _TarStream:
    """A file for tarfile, which reads headers of any length into memory: at most ``left`` bytes more are given."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.left = file, HEADER_LIMIT
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        self.left -= size
        if size < 0 or self.left < 0:
            raise tarfile.ReadError(f"the header of a member takes more than {HEADER_LIMIT} bytes")
        return self.file.read(size)


class ArchiveReader:
    """Uniform access to the regular files of a .tar, .tgz, .tar.gz or .zip archive; a context manager.

    Every entry is checked before any of it is used: absolute names, ``..``, drive letters, links, devices, names that
    occur twice, members larger than :data:`MEMBER_LIMIT`, more than :data:`MEMBERS_LIMIT` of them, and more than
    :data:`GROWTH_LIMIT` times the archive's own bytes if also above :data:`ALWAYS_ALLOWED` raise :class:`ArchiveError`,
    as do damaged and cut archives. A leading ``./`` is not part of a name. Files that macOS adds when it packs are
    skipped, with a warning. Not to be shared between threads or processes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> ArchiveReader:
        if not self.path.is_file():
            raise ArchiveError(f"{self.path} does not exist", "fetch it first")
        with contextlib.ExitStack() as stack:
            self._members = self._checked(self._entries(stack))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.close()

    def names(self) -> list[str]:
        """Names of all regular files, in the archive's order."""
        return list(self._members)

    def read(self, name: str) -> bytes:
        """The bytes of one member. In a .tgz this decompresses all that comes before it: prefer :meth:`stream`."""
        self._refuse_missing({name} - self._members.keys())
        member = self._members[name]
        with self._damage_reported(name):
            data = member.read()
        if len(data) != member.size:
            raise self._error(f"{name} has {len(data)} bytes instead of {member.size}")
        return data

    def stream(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield (name, bytes) of the wanted members in the archive's order, in one pass over the file."""
        self._refuse_missing(set(wanted) - self._members.keys())
        for name in self._members:
            if name in wanted:
                yield name, self.read(name)

    def require_folder(self, folder: str) -> None:
        """Raise :class:`ArchiveError` where no file is in ``folder``, for example ``a/b``, and name others."""
        names, place = self.names(), ""
        for part in folder.split("/") if folder else ():
            found = sorted({name.removeprefix(place).split("/")[0] for name in names if name.startswith(place)})
            if part not in found:
                instead = ", ".join([*found[:5], *["..."] * (len(found) > 5)])
                what = f"it has no folder {folder}: {place or 'its top'} holds {instead or 'nothing'}, not {part}"
                raise ArchiveError(f"{self.path}: {what}", _PACK_AGAIN)
            place += f"{part}/"

    def _entries(self, stack: contextlib.ExitStack) -> Iterator[_Entry]:
        """The entries of the archive, which ``stack`` closes."""
        with self._damage_reported():
            if self.path.name.endswith(".zip"):
                yield from _zip_entries(stack.enter_context(zipfile.ZipFile(self.path)))
            else:
                opened = open if self.path.name.endswith(".tar") else gzip.open
                stream = _TarStream(stack.enter_context(cast(IO[bytes], opened(self.path, "rb"))))
                yield from _tar_entries(stack.enter_context(tarfile.TarFile(fileobj=cast(Any, stream))), stream)

    def _checked(self, entries: Iterator[_Entry]) -> dict[str, _Entry]:
        """All members by name."""
        members: dict[str, _Entry] = {}
        added = 0
        most = max(ALWAYS_ALLOWED, GROWTH_LIMIT * self.path.stat().st_size)
        for number, entry in enumerate(entries, start=1):
            name = entry.name.removeprefix("./").rstrip("/") or "."
            problems = {
                f"it has more than {MEMBERS_LIMIT} members": number > MEMBERS_LIMIT,
                f"the member name {entry.name!r} is not safe": bool(_UNSAFE.search(name)),
                f"{name} is a link or a device": entry.kind is None,
                f"it holds {name} twice": name in members,
                f"{name} has {entry.size} bytes; {MEMBER_LIMIT} are allowed": not 0 <= entry.size <= MEMBER_LIMIT,
                f"it unpacks to more than {most} bytes, {GROWTH_LIMIT} times its own size": entry.end > most,
            }
            for problem, found in problems.items():
                if found:
                    raise self._error(problem)
            if entry.kind == "file" and added_by_macos(name):
                added += 1
            elif entry.kind == "file":
                members[name] = entry
        if added:
            log.warning("%s: %d file(s) that macOS added are skipped", self.path, added)
        return members

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


def _zip_entries(archive: zipfile.ZipFile) -> Iterator[_Entry]:
    end = 0
    for entry in sorted(archive.infolist(), key=lambda entry: entry.header_offset):
        mode = stat.S_IFMT(entry.external_attr >> 16)
        kind = ("folder" if entry.is_dir() else "file") if mode in (0, stat.S_IFREG, stat.S_IFDIR) else None
        end += entry.file_size
        yield _Entry(entry.orig_filename, kind, entry.file_size, end, partial(archive.read, entry))


def _tar_entries(archive: tarfile.TarFile, stream: _TarStream) -> Iterator[_Entry]:
    for entry in archive:
        end = entry.offset_data + entry.size
        kind = "file" if entry.isfile() else "folder" if entry.isdir() else None
        yield _Entry(entry.name, kind, entry.size, end, partial(_tar_bytes, archive, stream, entry))
        entry.pax_headers = {}  # tarfile keeps every entry, and a million of these would be too much
        stream.left = HEADER_LIMIT
    # tarfile takes a cut or damaged header for the end. The real end is a block of zeros, and gzip's checksum follows.
    stream.file.seek(archive.offset)
    if stream.file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("the end of the archive is missing")
    while stream.file.read(1 << 20):
        pass


def _tar_bytes(archive: tarfile.TarFile, source: _TarStream, entry: tarfile.TarInfo) -> bytes:
    source.left = entry.size
    with cast(IO[bytes], archive.extractfile(entry)) as stream:  # None only for directories
        return stream.read(entry.size)
