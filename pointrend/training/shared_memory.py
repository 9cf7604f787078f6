"""Whether /dev/shm has room for the batches that loader processes hand to a training; Docker gives it 64 MB."""

from __future__ import annotations

import os
from pathlib import Path

from pointrend.errors import MachineError
from pointrend.settings.recipe import Recipe

PLACE = Path("/dev/shm")  # noqa: S108 what the system calls it; nothing of ours is written there
PREFETCH = 2
"""Batches that a loader process makes ahead."""
IN_USE = 2
"""Batches of a process that are being trained on, or have just been."""
BYTES_PER_PIXEL = 4
"""Of a picture and its label."""
ROOM = "give it more (docker run --shm-size=1g), or set workers: 0 in params.yaml"


def needed_bytes(recipe: Recipe) -> int:
    """What the loader processes of one machine hold there at most."""
    if not recipe.workers:
        return 0
    height, width = recipe.crop_size
    batch = recipe.batch_size // recipe.gpus * height * width * BYTES_PER_PIXEL
    return recipe.gpus // recipe.nodes * (recipe.workers * PREFETCH + IN_USE) * batch


def whole_bytes(place: Path = PLACE) -> int | None:
    """Size of the system's shared memory; None where that is no folder."""
    try:
        found = os.statvfs(place)
    except OSError:
        return None
    return found.f_blocks * found.f_frsize


def check_shared_memory(recipe: Recipe) -> None:
    """Refuse a training whose loader processes would find no room.

    Raises:
        MachineError: there is none.
    """
    needed, whole = needed_bytes(recipe), whole_bytes()
    if whole is not None and whole < needed:
        what = (
            f"{PLACE} has {whole / 1e6:.0f} MB, and the processes that load pictures need about {needed / 1e6:.0f} MB"
        )
        raise MachineError(what, ROOM)


def no_room() -> MachineError:
    """What to raise where it was full although it looked large enough."""
    return MachineError(f"{PLACE} has no room for the batches of the processes that load pictures", ROOM)
