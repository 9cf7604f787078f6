"""Archives whose bytes follow from their members alone: fixed times, owners, modes and order."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path, PurePosixPath
from typing import TypeAlias

Member: TypeAlias = tuple[str, bytes]

_TIME = 1336694400  # 2012-05-11, the day in the VOC archive's name
_ZIP_TIME = (2012, 5, 11, 0, 0, 0)


def write_archive(path: Path, name: str, members: Iterable[Member]) -> None:
    """Pack ``members`` into ``path`` in the format of the ending of ``name``: .tar, .tgz or .zip.

    A directory gets an entry of its own before its first member, as in the official archives.
    """
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            _fill_zip(archive, members)
        return
    with (
        open(path, "wb") as stream,
        gzip.GzipFile("", "wb", 6, stream, mtime=0) if name.endswith(".tgz") else nullcontext(stream) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as packed,
    ):
        _fill_tar(packed, members)


def _fill_tar(archive: tarfile.TarFile, members: Iterable[Member]) -> None:
    for name, data in _with_directories(members):
        entry = tarfile.TarInfo(name)  # owner and group 0, without names
        entry.mtime, entry.size = _TIME, len(data or b"")
        entry.type, entry.mode = (tarfile.DIRTYPE, 0o755) if data is None else (tarfile.REGTYPE, 0o644)
        archive.addfile(entry, io.BytesIO(data or b""))


def _fill_zip(archive: zipfile.ZipFile, members: Iterable[Member]) -> None:
    for name, data in _with_directories(members):
        entry = zipfile.ZipInfo(name if data is not None else f"{name}/", _ZIP_TIME)
        entry.create_system = 3  # Unix on every host, so that the modes below are read as such
        entry.external_attr = (0o100644 if data is not None else 0o040755) << 16
        entry.compress_type = zipfile.ZIP_DEFLATED if data else zipfile.ZIP_STORED
        archive.writestr(entry, data or b"", compresslevel=6)


def _with_directories(members: Iterable[Member]) -> Iterator[tuple[str, bytes | None]]:
    made: set[PurePosixPath] = {PurePosixPath(".")}
    for name, data in members:
        for parent in reversed(PurePosixPath(name).parents):
            if parent not in made:
                made.add(parent)
                yield str(parent), None
        yield name, data
