"""Whether prepared data still have the bytes that ``prepare`` wrote."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from pointrend.datasets.store import PREPARE_AGAIN
from pointrend.errors import CheckFailed
from pointrend.files import read_json, sha256_file
from pointrend.settings.project import STORE_PARTS

log = logging.getLogger(__name__)
# Reading more bytes than this takes seconds, so it is reported on the screen.
SHOWN_BYTES = 1_000_000_000


def split_files(split: str) -> tuple[str, ...]:
    """Names of the files of a split."""
    return tuple(f"{split}.{part}" for part in STORE_PARTS)


def check_split(folder: Path, split: str) -> None:
    """Compare the files of a split with the manifest beside them; they are read once.

    Raises:
        CheckFailed: a file is missing or has other bytes; the message names it.
    """
    manifest, started, size = folder / "manifest.json", time.monotonic(), 0
    records = read_json(manifest, CheckFailed, PREPARE_AGAIN, keys=("files",))["files"]
    for name in split_files(split):
        path = folder / name
        record = records.get(name) if isinstance(records, dict) else None
        if not isinstance(record, dict):
            raise CheckFailed(f"{manifest} does not name {name}", PREPARE_AGAIN)
        if not path.is_file():
            raise CheckFailed(f"{path} does not exist", PREPARE_AGAIN)
        size += (found := path.stat().st_size)
        if found != record.get("bytes") or sha256_file(path) != record.get("sha256"):
            raise CheckFailed(f"{path} does not have the bytes that {manifest} names", PREPARE_AGAIN)
    level = logging.INFO if size > SHOWN_BYTES else logging.DEBUG
    seconds = time.monotonic() - started
    log.log(level, "%s of %s is as prepared: %.1f MB read in %.1f s", split, folder, size / 1e6, seconds)
