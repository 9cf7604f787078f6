"""Get an archive, verified, into a folder: already there, linked from a folder at hand, or downloaded."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from pointrend.archives.download import PartFile, SourceFailed, download
from pointrend.archives.verification import Digests, OtherBytes, WrongFile, verify_file
from pointrend.errors import ArchiveError, CheckFailed, DownloadError, MachineError, OtherBytesError, PointrendError
from pointrend.files import read_json, write_json
from pointrend.logs import redacted
from pointrend.settings.archives import Archive

RESTORE = "restore it from version control"
PUT_AT_HAND = "put the file into a folder and name that folder in POINTREND_ARCHIVES"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FetchedFile(Digests):
    """A verified archive.

    ``source``: ``already there``, the path it was linked from, or the URL without credentials that it came from.
    """

    path: Path
    source: str


class Site(NamedTuple):
    """A server to download from; ``download`` is called as :func:`.download.download` is."""

    url: str
    download: Callable[[str, Archive, PartFile], None]


def fetch_archive(
    archive: Archive, urls: tuple[str, ...], folder: Path, at_hand: str | None = None, site: Site | None = None
) -> FetchedFile:
    """Get ``archive`` under its official name into ``folder``; nothing gets that name before it is verified.

    ``at_hand`` (POINTREND_ARCHIVES) is a folder or base URL that is tried first, by file name: a right file in a
    folder is linked, a wrong one is skipped with a warning. Then ``urls``, which may carry credentials, are tried
    in turn, and last ``site``.

    Raises :class:`ArchiveError` if another file has the name (it is left alone), :class:`DownloadError` if no source
    has the archive (:class:`OtherBytesError` if one has another file under its name), :class:`MachineError` if the
    disk is full or the folder cannot be written.
    """
    target = folder / archive.name
    with exclusive(folder, archive.name):
        if target.exists():
            return _present(archive, target)
        if at_hand and at_hand.lower().startswith(("http://", "https://")):
            urls = (f"{at_hand.rstrip('/')}/{archive.name}", *urls)
        elif at_hand and (linked := _link(archive, target, at_hand)):
            return linked
        sources = [*(Site(url, download) for url in urls), *([site] if site else ())]
        return _from_first(archive, sources, PartFile(folder / f"{archive.name}.part"))


def fetch_first_seen(
    archive: Archive, urls: tuple[str, ...], folder: Path, seen: Path, at_hand: str | None = None
) -> FetchedFile:
    """Get ``archive`` as :func:`fetch_archive` does; if no checksum was published, enforce that of the first download.

    ``seen`` is a JSON file under version control that has bytes, sha256 and source of first downloads by file name, so
    that everyone after the first gets the same bytes or an error. The first download is trusted and logged.

    Raises as :func:`fetch_archive` does; :class:`ArchiveError` if ``seen`` cannot be read; :class:`CheckFailed` if
    other bytes are offered than were noted, or another process noted others meanwhile.
    """
    if archive.sha256 or archive.sha256_prefix or archive.md5:
        return fetch_archive(archive, urls, folder, at_hand)
    if known := _read_notes(seen).get(archive.name):
        wanted = archive.model_copy(update={"bytes": known["bytes"], "sha256": known["sha256"]})
        try:
            return fetch_archive(wanted, urls, folder, at_hand)
        except OtherBytesError as other:
            what = f"{other.what}, but {seen} records other bytes for the first download"
            raise CheckFailed(what, "find out why it has changed before accepting it") from other
    file = fetch_archive(archive, urls, folder, at_hand)
    with exclusive(folder, seen.name):
        _note_first(seen, archive.name, file)
    return file


def _from_first(archive: Archive, sources: list[Site], part: PartFile) -> FetchedFile:
    """Download from the first source that has the archive, verify it and give it its name."""
    failures: list[str] = []
    error, do = DownloadError, "fetch again later"
    for url, method in sources:
        source = redacted(url)
        try:
            method(url, archive, part)
            digests = verify_file(archive, part.path)
        except SourceFailed as failure:
            failures.append(f"{source}: {failure}")
            do = failure.do
        except WrongFile as failure:
            failures.append(f"{source}: {failure}")
            part.discard()
            error = OtherBytesError if isinstance(failure, OtherBytes) else error
        else:
            logger.info("%s: %d bytes from %s", archive.name, digests.bytes, source)
            return _fetched(digests, part.complete(archive.name), source)
        logger.warning("%s: %s", archive.name, failures[-1])
    if not sources:
        do = f"{PUT_AT_HAND}, or add a URL for it to published/mirrors.json"
        raise DownloadError(f"{archive.name} was not found, and published/mirrors.json has no URL for it", do)
    raise error(f"cannot download {archive.name} ({'; '.join(failures)})", f"{do}, or {PUT_AT_HAND}")


@contextlib.contextmanager
def exclusive(folder: Path, name: str) -> Iterator[None]:
    """Let one process at a time fetch ``name``; a disk error becomes a :class:`MachineError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".{name}.lock")
        try:
            held = lock.acquire(blocking=False)
        except Timeout:
            logger.info("%s is being fetched by another process; waiting for it", name)
            held = lock.acquire()
        with held:
            yield
    except OSError as problem:
        raise MachineError(
            f"cannot keep {name} in {folder}: {problem.strerror or problem}",
            "free disk space or allow writing there, and fetch again; what has been downloaded is kept",
        ) from problem


def _note_first(seen: Path, name: str, file: FetchedFile) -> None:
    source = file.source if "://" in file.source else "a file at hand"  # no path of this machine
    notes = _read_notes(seen)
    known = notes.setdefault(name, {"bytes": file.bytes, "sha256": file.sha256, "source": source})
    if known["sha256"] != file.sha256:
        what = f"{file.path} has sha256 {file.sha256}, but {seen} now has {known['sha256']}"
        raise CheckFailed(what, "move it away and fetch again")
    write_json(seen, notes)
    noted = f"its sha256 {file.sha256} is now in {seen} and is enforced from now on"
    logger.warning("%s: no checksum was ever published, so the first download is trusted; %s", name, noted)


def _read_notes(seen: Path) -> dict[str, dict[str, Any]]:
    """Bytes and sha256 of every file, by its name; empty before the first download."""
    if not seen.exists():
        return {}
    notes = read_json(seen, ArchiveError, RESTORE)
    entries = notes.values() if isinstance(notes, dict) else [None]
    if not all(isinstance(entry, dict) and {"bytes", "sha256"} <= entry.keys() for entry in entries):
        raise ArchiveError(f"{seen} lacks bytes or sha256 of a file", RESTORE)
    return notes


def _present(archive: Archive, target: Path) -> FetchedFile:
    try:
        digests = verify_file(archive, target, _remembered(target))
    except WrongFile as fault:
        what = f"{target} is not the expected {archive.name}: {fault}"
        raise ArchiveError(what, "move it away and fetch again") from None
    return _fetched(digests, target, "already there")


def _link(archive: Archive, target: Path, at_hand: str) -> FetchedFile | None:
    """Link the archive from the folder ``at_hand``; None if that folder does not have it."""
    folder = Path(os.path.expanduser(at_hand))
    candidate = folder / archive.name
    if not folder.is_dir():
        # A URL of another kind, ftp:// for example, may hold a password as well.
        logger.warning("POINTREND_ARCHIVES: %s is neither a folder nor an http(s) URL; skipped", redacted(at_hand))
        return None
    if not candidate.exists():
        return None
    try:
        digests = verify_file(archive, candidate)
    except (WrongFile, OSError) as fault:
        logger.warning("%s is skipped: %s", candidate, fault)
        return None
    link = target.with_name(f".{target.name}.link")
    link.unlink(missing_ok=True)
    link.symlink_to(candidate.resolve())
    link.replace(target)
    return _fetched(digests, target, str(candidate))


def _fetched(digests: Digests, target: Path, source: str) -> FetchedFile:
    """Note the digests of a verified file, so that 11 GB are not read again at every fetch."""
    write_json(_note(target), {**asdict(digests), "mtime_ns": target.stat().st_mtime_ns})
    return FetchedFile(**asdict(digests), path=target, source=source)


def _remembered(target: Path) -> Digests | None:
    """The noted digests, if size and time of change are still those of the note."""
    try:
        noted, state = read_json(_note(target)), target.stat()
        same = (noted["bytes"], noted.pop("mtime_ns")) == (state.st_size, state.st_mtime_ns)
        return Digests(**noted) if same else None
    except (PointrendError, AttributeError, KeyError, TypeError):
        return None


def _note(target: Path) -> Path:
    return target.with_name(f".{target.name}.digests.json")
