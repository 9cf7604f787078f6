"""Have an archive, verified, in a folder: already there, linked from a folder at hand, or downloaded."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from pointrend.archives.download import PATIENCE, OtherSize, PartFile, Patience, SourceFailed, download, public_url
from pointrend.archives.verification import Archive, Digests, OtherBytes, WrongFile, verify_file
from pointrend.errors import ArchiveError, DownloadError, MachineError, OtherBytesError, PointrendError
from pointrend.files import read_json, write_json

__all__ = ["Archive", "FetchedFile", "fetch_archive"]

PUT_AT_HAND = "put the file into a folder and name that folder in POINTREND_ARCHIVES"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FetchedFile:
    """A verified archive. ``source``: ``already there``, the path it was linked from, or the address without
    credentials that it came from."""

    path: Path
    bytes: int
    md5: str
    sha256: str
    source: str


def fetch_archive(
    archive: Archive,
    folder: Path,
    at_hand: str | None = None,
    progress: bool | None = None,
    patience: Patience = PATIENCE,
) -> FetchedFile:
    """Have ``archive`` under its official name in ``folder``; nothing gets that name before it is verified.

    ``at_hand`` (POINTREND_ARCHIVES) is a folder or base URL that is tried first, by file name: a right file in a
    folder is linked, a wrong one passed over with a warning. Then the archive's own addresses are tried in turn.
    ``progress``: show a bar (None: if stderr is a terminal).

    Raises :class:`ArchiveError` where another file lies under the name (it is left alone),
    :class:`DownloadError` where no place has the archive (:class:`OtherBytesError` where one has another file under
    its name), :class:`MachineError` where the disk is full or the
    folder cannot be written.
    """
    folder = Path(folder)
    with exclusive(folder, archive.name):
        found = find_locally(archive, folder, at_hand)
        return found or _download_from_any(archive, folder, at_hand, progress, patience)


@contextlib.contextmanager
def exclusive(folder: Path, name: str) -> Iterator[None]:
    """Let one process at a time fetch ``name``; a disk that refuses becomes a :class:`MachineError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".{name}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            logger.info("%s is being fetched by another process; waiting for it", name)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()
    except OSError as problem:
        raise MachineError(
            f"cannot keep {name} in {folder}: {problem.strerror or problem}",
            "free disk space or allow writing there, and fetch again; what has been downloaded is kept",
        ) from problem


def is_url(place: str | None) -> bool:
    """Whether POINTREND_ARCHIVES names a server rather than a folder."""
    return place is not None and place.lower().startswith(("http://", "https://"))


def find_locally(archive: Archive, folder: Path, at_hand: str | None) -> FetchedFile | None:
    """The archive if it is in ``folder`` already or can be linked from the folder ``at_hand``."""
    target = folder / archive.name
    if target.exists():
        return _present(archive, target)
    if at_hand is None or is_url(at_hand):
        return None
    return _link(archive, target, at_hand)


def accept(archive: Archive, part: PartFile, target: Path, source: str) -> FetchedFile:
    """Verify a part that should be whole and give it its name; raises :class:`WrongFile` after removing it."""
    try:
        digests = verify_file(archive, part.path)
    except WrongFile:
        part.discard()
        raise
    with open(part.path, "rb") as stream:
        os.fsync(stream.fileno())
    part.rename(target)
    _remember(target, digests)
    logger.info("%s: %d bytes from %s", archive.name, digests.bytes, source)
    return FetchedFile(target, digests.bytes, digests.md5, digests.sha256, source)


def _present(archive: Archive, target: Path) -> FetchedFile:
    try:
        known = _remembered(target)
        digests = verify_file(archive, target, known)
    except WrongFile as fault:
        raise ArchiveError(
            f"{target} is not the {archive.name} that is wanted: {fault}", "move it away and fetch again"
        ) from None
    if known is None:
        _remember(target, digests)
    return FetchedFile(target, digests.bytes, digests.md5, digests.sha256, "already there")


def _link(archive: Archive, target: Path, at_hand: str) -> FetchedFile | None:
    place = Path(os.path.expanduser(at_hand))
    candidate = place / archive.name
    if not place.is_dir():
        # An address of another kind, ftp:// for example, may hold a password as well.
        shown = public_url(at_hand) if "://" in at_hand else at_hand
        logger.warning("POINTREND_ARCHIVES: %s is neither a folder nor a web address; passed over", shown)
        return None
    if not candidate.exists():
        return None
    try:
        digests = verify_file(archive, candidate)
    except (WrongFile, OSError) as fault:
        logger.warning("%s is passed over: %s", candidate, fault)
        return None
    link = target.with_name(f".{target.name}.link")
    link.unlink(missing_ok=True)
    link.symlink_to(candidate.resolve())
    link.replace(target)
    _remember(target, digests)
    return FetchedFile(target, digests.bytes, digests.md5, digests.sha256, str(candidate))


def _download_from_any(
    archive: Archive, folder: Path, at_hand: str | None, bar: bool | None, patience: Patience
) -> FetchedFile:
    urls = archive.urls
    if at_hand is not None and is_url(at_hand):
        urls = (f"{at_hand.rstrip('/')}/{archive.name}", *urls)
    if not urls:
        do = f"{PUT_AT_HAND}, or add a URL to places.{archive.name}.urls in params.yaml"
        raise DownloadError(f"{archive.name} is not at hand and params.yaml has no URL for it", do)
    part = PartFile(folder / f"{archive.name}.part")
    failures: list[str] = []
    error = DownloadError
    for url in urls:
        source = public_url(url)
        try:
            download(url, archive, part, bar, patience)
            return accept(archive, part, folder / archive.name, source)
        except (SourceFailed, WrongFile) as failure:
            failures.append(f"{source}: {failure}")
            if isinstance(failure, OtherSize | OtherBytes):
                error = OtherBytesError
        logger.warning("%s: %s", archive.name, failures[-1])
    raise error(f"cannot download {archive.name} ({'; '.join(failures)})", f"fetch again later, or {PUT_AT_HAND}")


def _record(target: Path) -> Path:
    return target.with_name(f".{target.name}.digests.json")


def _remember(target: Path, digests: Digests) -> None:
    """Note the digests of a verified file, so that 11 GB are not read again at every fetch."""
    write_json(_record(target), {**asdict(digests), "mtime_ns": target.stat().st_mtime_ns})


def _remembered(target: Path) -> Digests | None:
    """The noted digests, if size and time of change are still those of the note; else None."""
    if not target.is_file():
        return None
    state = target.stat()
    try:
        noted = read_json(_record(target))
        if (noted.pop("bytes"), noted.pop("mtime_ns")) != (state.st_size, state.st_mtime_ns):
            return None
        return Digests(bytes=state.st_size, **noted)
    except (PointrendError, AttributeError, KeyError, TypeError):
        return None
