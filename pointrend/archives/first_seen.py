"""Files of which no checksum was ever published: the first download's is kept, and enforced from then on.

The checksums stand in one JSON file under version control, so that everyone after the first gets the same bytes or an
error. What the first download brought is taken on trust, and the log says so.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from pointrend.archives.fetch import Archive, FetchedFile, exclusive, fetch_archive
from pointrend.errors import ArchiveError, CheckFailed, OtherBytesError
from pointrend.files import read_json, write_json

RESTORE = "restore it from version control"

logger = logging.getLogger(__name__)


def fetch_first_seen(archive: Archive, folder: Path, seen: Path, at_hand: str | None = None) -> FetchedFile:
    """Have ``archive`` in ``folder`` as :func:`fetch_archive` does, held against what ``seen`` says of its name.

    Where ``seen`` says nothing, what comes is noted there: bytes, sha256 and source. An archive that brings a checksum
    of its own is held against that alone.

    Raises what :func:`fetch_archive` does, and :class:`ArchiveError` where ``seen`` cannot be read,
    :class:`CheckFailed` where other bytes are offered than were noted, or another process noted others meanwhile.
    """
    if archive.sha256 or archive.sha256_prefix or archive.md5:
        return fetch_archive(archive, folder, at_hand)
    known = read_notes(seen).get(archive.name)
    if known is not None:
        wanted = replace(archive, bytes=known["bytes"], sha256=known["sha256"])
        try:
            return fetch_archive(wanted, folder, at_hand)
        except OtherBytesError as other:
            what = f"{other.what}, and {seen} says what the first download was"
            raise CheckFailed(what, "find out why it has changed before taking it") from other
    file = fetch_archive(archive, folder, at_hand)
    with exclusive(folder, seen.name):
        _note(seen, archive.name, file)
    return file


def _note(seen: Path, name: str, file: FetchedFile) -> None:
    notes = read_notes(seen)
    known = notes.setdefault(name, {"bytes": file.bytes, "sha256": file.sha256, "source": _public(file)})
    if known["sha256"] != file.sha256:
        what = f"{file.path} has sha256 {file.sha256}, but {seen} now says {known['sha256']}"
        raise CheckFailed(what, "move it away and fetch again")
    write_json(seen, notes)
    logger.warning(
        "%s: no checksum was ever published, so these bytes are taken on trust; "
        "their sha256 %s now stands in %s and is enforced from now on",
        name,
        file.sha256,
        seen,
    )


def _public(file: FetchedFile) -> str:
    """Where the file came from, without a path of this machine."""
    return file.source if "://" in file.source else "a file at hand"


def read_notes(seen: Path) -> dict[str, dict[str, Any]]:
    """What was noted of every file, by its name: at least ``bytes`` and ``sha256``; empty before the first download.

    Raises:
        ArchiveError: ``seen`` cannot be read.
    """
    if not seen.exists():
        return {}
    notes = read_json(seen, ArchiveError, RESTORE)
    entries = notes.values() if isinstance(notes, dict) else [None]
    if not all(isinstance(entry, dict) and {"bytes", "sha256"} <= entry.keys() for entry in entries):
        raise ArchiveError(f"{seen} does not name bytes and sha256 of every file", RESTORE)
    return notes
