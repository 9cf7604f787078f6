"""The folder from which a training reads its data: the prepared one, or a copy on the node's own disk.

The copy is for file systems that are slow with many readers. It belongs to one training, in a folder whose name nobody
can guess, and is checked like the prepared data; files that are already in $TMPDIR are never read.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pointrend.datasets.intact import check_split, split_files
from pointrend.training.distributed import Processes

log = logging.getLogger(__name__)
SPLIT = "train"
NAME = re.compile(r"pointrend-[0-9a-f]{16}")  # of a copy's folder, which stays locked while its training runs


@contextmanager
def training_data(data: Path, processes: Processes, copy: bool) -> Iterator[Path]:
    """The folder to read from within the block: ``data``, or a ``copy`` that the processes of one node share.

    Raises:
        CheckFailed: its bytes are not those named in its manifest.
        OSError: $TMPDIR has no space for the copy.
    """
    if not copy:
        if processes.first:
            check_split(data, SPLIT)
        processes.wait()
        yield data
        return
    folder = Path(tempfile.gettempdir()) / f"pointrend-{processes.of_first(secrets.randbits(62)):016x}"
    try:
        if processes.first_of_node:
            remove_leftovers(folder.parent)
            _copy(data, folder)
            check_split(folder, SPLIT)
        processes.wait()
        yield folder
    finally:
        if processes.first_of_node:
            shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(temporary: Path) -> None:
    """Remove our copies whose training was killed."""
    for folder in (path for path in temporary.iterdir() if NAME.fullmatch(path.name)):
        with suppress(OSError):
            if folder.lstat().st_uid == os.getuid():
                handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder)
                finally:
                    os.close(handle)


def _copy(data: Path, folder: Path) -> None:
    made = Path(tempfile.mkdtemp(prefix=".pointrend-", dir=folder.parent))
    # Locked before it gets a name under which it may be removed; never closed, so that our death unlocks it.
    fcntl.flock(os.open(made, os.O_RDONLY | os.O_DIRECTORY), fcntl.LOCK_EX)
    made.rename(folder)
    for name in ("manifest.json", *split_files(SPLIT)):
        log.info("copying %s to %s", data / name, folder)
        shutil.copyfile(data / name, folder / name)
