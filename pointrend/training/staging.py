"""A copy of a prepared dataset on the node's own disk, for file systems that are slow with many readers."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock

from pointrend.errors import ResultsError
from pointrend.files import atomic_path, read_json, sha256_file

log = logging.getLogger(__name__)


def staged(data: Path) -> Path:
    """A folder under $TMPDIR with the same files as ``data``; processes of one node share one copy.

    Raises:
        OSError: $TMPDIR has no space for it.
    """
    manifest = read_json(data / "manifest.json", ResultsError, "prepare the dataset")
    folder = Path(tempfile.gettempdir()) / f"pointrend-{sha256_file(data / 'manifest.json')[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        for name in ("manifest.json", *manifest["files"]):
            if not (folder / name).is_file():
                log.info("copying %s to %s", data / name, folder)
                with atomic_path(folder / name) as temporary:
                    shutil.copyfile(data / name, temporary)
    return folder
