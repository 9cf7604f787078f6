"""How many iterations a run has, the learning rate of each (RECIPE sections 6 and 10), and the time that is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pointrend.errors import ParamsError

if TYPE_CHECKING:
    from pointrend.settings.recipe import Recipe

RECENT = 20  # records of metrics.jsonl whose speed is taken for that of the rest


def iterations_per_epoch(images: int, processes: int, batch_size: int) -> int:
    """Optimiser steps per epoch: the sampler pads to equal shares, then each process drops a partial batch.

    ``batch_size`` is that of all ``processes`` together.

    Raises:
        ParamsError: they cannot share it evenly, or an epoch has no whole batch.
    """
    if batch_size % processes:
        what = f"a batch of {batch_size} cannot be shared evenly by {processes} processes"
        raise ParamsError(what, "choose a number of processes that divides the batch size")
    images_per_process = -(-images // processes)
    iterations = images_per_process // (batch_size // processes)
    if iterations == 0:
        what = f"{images} images are too few for one batch of {batch_size}"
        raise ParamsError(what, "choose a smaller batch size or more images")
    return iterations


def learning_rate(recipe: Recipe, iteration: int, total: int) -> float:
    """Learning rate of the step number ``iteration``, counted from 0, out of ``total``.

    Polynomial decay from ``lr`` to ``lr * min_lr_ratio``, times a factor that rises linearly from
    ``warmup_ratio`` to 1 at iteration ``warmup_iterations``. With 0 warm-up iterations there is no such factor.
    """
    min_lr = recipe.lr * recipe.min_lr_ratio
    decayed = (1 - iteration / total) ** recipe.poly_power * (recipe.lr - min_lr) + min_lr
    if iteration >= recipe.warmup_iterations:
        return decayed
    return decayed * (1 - (1 - iteration / recipe.warmup_iterations) * (1 - recipe.warmup_ratio))


def seconds_left(records: Sequence[Mapping[str, Any]], total: int) -> float | None:
    """Seconds until iteration ``total``, at the speed of the latest ``records`` that one process wrote.

    None where it is not known yet: the time before the first record includes the start.
    """
    first, last = records[-RECENT:][0], records[-1]
    iterations = last["iteration"] - first["iteration"]
    return (total - last["iteration"]) * (last["time"] - first["time"]) / iterations if iterations else None
