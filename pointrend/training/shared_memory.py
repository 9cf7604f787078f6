"""Whether /dev/shm has room for the batches that loader processes pass to a training; Docker gives it 64 MB."""

from __future__ import annotations

import shutil
from pathlib import Path

from pointrend.errors import MachineError
from pointrend.settings.recipe import Recipe

PLACE = Path("/dev/shm")  # noqa: S108 the system's name for it; nothing of ours is written there
PREFETCH = 2  # batches that a loader process makes ahead
IN_USE = 2  # batches of a process that are being trained on, or have just been
BYTES_PER_PIXEL = 4  # of an image and its label
ROOM = "give it more (docker run --shm-size=1g), or set workers: 0 in params.yaml"


def needed_bytes(recipe: Recipe) -> int:
    """The most that the loader processes of one machine keep in shared memory."""
    if not recipe.workers:
        return 0
    height, width = recipe.crop_size
    batch = recipe.batch_size // recipe.gpus * height * width * BYTES_PER_PIXEL
    return recipe.gpus // recipe.nodes * (recipe.workers * PREFETCH + IN_USE) * batch


def whole_bytes(place: Path = PLACE) -> int | None:
    """Size of the system's shared memory; None if it has no such folder."""
    try:
        return shutil.disk_usage(place).total
    except OSError:
        return None


def check_shared_memory(recipe: Recipe) -> None:
    """Refuse a training whose loader processes would have too little shared memory.

    Raises:
        MachineError: it is too small.
    """
    needed, whole = needed_bytes(recipe), whole_bytes()
    if whole is not None and whole < needed:
        sizes = f"has {whole / 1e6:.0f} MB, and the loader processes need about {needed / 1e6:.0f} MB"
        raise MachineError(f"{PLACE} {sizes}", ROOM)


def no_room() -> MachineError:
    """The error for shared memory that was full although it looked large enough."""
    return MachineError(f"{PLACE} has no room for the batches of the loader processes", ROOM)
