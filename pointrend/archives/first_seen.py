"""Files without a published checksum: that of the first download is kept, and enforced from then on.

The checksums are in one JSON file under version control, so that everyone after the first gets the same bytes or an
error. The first download is trusted, and the log says so.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from pointrend.archives.fetch import FetchedFile, exclusive, fetch_archive
from pointrend.errors import ArchiveError, CheckFailed, OtherBytesError
from pointrend.files import read_json, write_json
from pointrend.settings.archives import Archive

RESTORE = "restore it from version control"

logger = logging.getLogger(__name__)


def fetch_first_seen(
    archive: Archive, urls: tuple[str, ...], folder: Path, seen: Path, at_hand: str | None = None
) -> FetchedFile:
    """Get ``archive`` as :func:`fetch_archive` does, and compare it with the checksum that ``seen`` notes for its name.

    If ``seen`` has none, bytes, sha256 and source of what comes are noted there. An archive with a checksum of its own
    is compared with that alone.

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
            raise CheckFailed(what, "find out why it has changed before taking it") from other
    file = fetch_archive(archive, urls, folder, at_hand)
    with exclusive(folder, seen.name):
        _note(seen, archive.name, file)
    return file


def _note(seen: Path, name: str, file: FetchedFile) -> None:
    # Without a path of this machine.
    source = file.source if "://" in file.source else "a file at hand"
    notes = _read_notes(seen)
    known = notes.setdefault(name, {"bytes": file.bytes, "sha256": file.sha256, "source": source})
    if known["sha256"] != file.sha256:
        what = f"{file.path} has sha256 {file.sha256}, but {seen} now has {known['sha256']}"
        raise CheckFailed(what, "move it away and fetch again")
    write_json(seen, notes)
    logger.warning(
        "%s: no checksum was ever published, so the first download is trusted; "
        "its sha256 %s is now in %s and is enforced from now on",
        name,
        file.sha256,
        seen,
    )


def _read_notes(seen: Path) -> dict[str, dict[str, Any]]:
    """Bytes and sha256 of every file, by its name; empty before the first download."""
    if not seen.exists():
        return {}
    notes = read_json(seen, ArchiveError, RESTORE)
    entries = notes.values() if isinstance(notes, dict) else [None]
    if not all(isinstance(entry, dict) and {"bytes", "sha256"} <= entry.keys() for entry in entries):
        raise ArchiveError(f"{seen} lacks bytes or sha256 of a file", RESTORE)
    return notes
