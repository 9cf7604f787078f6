"""The processes of a training that torchrun has started."""

from __future__ import annotations

import os
from pathlib import Path


def process_of(launcher: int, rank: int) -> int:
    """Process number of ``rank``, a child of the process ``launcher``."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    wanted = f"RANK={rank}".encode()
    found = [int(pid) for pid in children if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")]
    assert len(found) == 1, found
    return found[0]


def parent_of(process: int) -> int:
    """Process number of the parent."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def kill_beside(process: int, rank: int, number: int) -> None:
    """Send the signal ``number`` to ``rank`` of the training that ``process`` is part of."""
    os.kill(process_of(parent_of(process), rank), number)
