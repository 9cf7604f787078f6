"""Training samples in their order: the same for every number of workers, and from any batch on.

What is random about sample ``index`` in ``epoch`` follows from (seed, epoch, index) alone. The images are
shuffled and divided as by torch's DistributedSampler, and incomplete batches are dropped (RECIPE section 6); only the
permutations of an epoch follow from :mod:`pointrend.training.streams`.
"""

from __future__ import annotations

import atexit
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from pointrend.datasets.store import Store
from pointrend.errors import DatasetError, MachineError, PointrendError, TrainingStopped
from pointrend.training.shared_memory import PREFETCH, no_room
from pointrend.training.streams import ORDER, SAMPLE, stream, torch_seed
from pointrend.training.transforms import TrainPixels, TrainTransform

SILENT_SECONDS = 600.0  # after which loader processes that return no batch end the training
STOP_SECONDS = 10.0  # the same once the training was asked to stop
LOOK_SECONDS = 1.0  # between two looks at these limits
AGAIN = "the same command resumes from the last checkpoint"


class TrainBatch(NamedTuple):
    """Bytes for the device, which makes the network's input of them (:func:`normalize_batch`).

    ``pictures`` are uint8 (B, H, W, 3), RGB; ``labels`` uint8 (B, H, W), train ids, 255 ignored; ``inside`` int64
    (B, 4), see :class:`TrainPixels`; ``indices`` int64 (B,).
    """

    pictures: Tensor
    labels: Tensor
    inside: Tensor
    indices: Tensor


MaybeBatch = TrainBatch | PointrendError


def sample_draws(seed: int, epoch: int, index: int) -> np.random.RandomState:
    """The random numbers of sample ``index`` in ``epoch``."""
    return np.random.RandomState(np.random.PCG64(stream(seed, SAMPLE, epoch, index)))


@dataclass(frozen=True)
class TrainSamples(Dataset[MaybeBatch]):
    """The samples of a store in one epoch, by their indices in the store."""

    store: Store
    transform: TrainTransform
    seed: int
    epoch: int

    def batch(self, indices: Sequence[int]) -> TrainBatch:
        """The batch of the samples with these indices."""
        images = np.empty((len(indices), *self.transform.crop_size, 3), np.uint8)
        samples: list[TrainPixels] = []
        for index, image in zip(indices, images, strict=True):
            draws = sample_draws(self.seed, self.epoch, index)
            samples.append(self.transform(self.store.picture(index), self.store.label(index), draws, image))
            if samples[-1].image is not image:
                image[:] = samples[-1].image
        labels = torch.from_numpy(np.stack([sample.label for sample in samples]))
        inside = torch.tensor([sample.inside for sample in samples])
        return TrainBatch(torch.from_numpy(images), labels, inside, torch.tensor(indices))

    def __getitems__(self, indices: Sequence[int]) -> MaybeBatch:
        """What a DataLoader fetches; an error of ours is returned, since torch would keep only its text."""
        try:
            return self.batch(indices)
        except PointrendError as error:
            return error


def epoch_batches(n: int, processes: int, rank: int, batch_per_process: int, seed: int, epoch: int) -> list[list[int]]:
    """Indices of the batches that process ``rank`` of ``processes`` sees in an epoch (the first is 1) of ``n`` samples.

    The permutation is repeated until the processes share it evenly; incomplete batches are dropped only after that.
    """
    order = torch.randperm(n, generator=torch.Generator().manual_seed(torch_seed(seed, ORDER, epoch))).numpy()
    share = -(-n // processes)
    own = np.resize(order, share * processes)[rank::processes]
    whole = share // batch_per_process
    return own[: whole * batch_per_process].reshape(whole, batch_per_process).tolist()


def train_loader(
    store: Store,
    transform: TrainTransform,
    *,
    batch_size_per_process: int,
    processes: int,
    rank: int,
    seed: int,
    epoch: int,
    first_batch: int = 0,
    workers: int = 0,
    pin_memory: bool = False,
    stop: Callable[[], bool] = bool,
) -> Iterator[TrainBatch]:
    """The batches of one process in one epoch, from ``first_batch`` on, which counts from 0.

    Once ``stop`` reports that the training was asked to stop, loader processes that return nothing are not waited for.

    Raises:
        DatasetError: while iterating: an image cannot be read.
        TrainingStopped: while iterating: a loader process was killed, or returned nothing after a request to stop.
        MachineError: while iterating: loader processes had too little shared memory, or returned nothing for 10 min.
    """
    loader = DataLoader(
        TrainSamples(store, transform, seed, epoch),
        batch_sampler=epoch_batches(len(store), processes, rank, batch_size_per_process, seed, epoch)[first_batch:],
        collate_fn=shared,
        num_workers=workers,
        prefetch_factor=PREFETCH if workers else None,
        timeout=LOOK_SECONDS if workers else 0,
        worker_init_fn=one_thread,
        pin_memory=pin_memory,
        # Only so that the loader draws its workers' seeds, which nothing uses, from here and not from the global state.
        generator=torch.Generator(),
    )
    batches = iter(loader)
    atexit.unregister(_end_workers)  # What is registered last runs first, before torch waits for each of them.
    atexit.register(_end_workers)
    while (batch := _next(batches, stop)) is not None:
        if isinstance(batch, PointrendError):
            raise batch
        yield batch


def shared(batch: Any) -> Any:
    """A batch, which a loader process puts into shared memory, or an error as it is."""
    if get_worker_info() is None or not isinstance(batch, TrainBatch):
        return batch
    try:
        # Here, and not where torch would do it: in a thread of its own, whose errors nobody sees.
        return TrainBatch(*(tensor.share_memory_() for tensor in batch))
    except RuntimeError:
        return no_room()


def _next(batches: Iterator[MaybeBatch], stop: Callable[[], bool]) -> MaybeBatch | None:
    """The next batch, None at the end."""
    asked = time.monotonic()
    while True:
        try:
            with worker_failures():
                return next(batches, None)
        except RuntimeError as problem:
            if not str(problem).startswith("DataLoader timed out"):
                raise
        waited = time.monotonic() - asked
        if stop() and waited >= STOP_SECONDS:
            _end_workers()
            raise TrainingStopped("asked to stop while no batch came from the loader processes", AGAIN)
        if waited >= SILENT_SECONDS:
            _end_workers()
            what = f"the loader processes returned nothing for {waited / 60:.0f} min"
            raise MachineError(what, "check that the prepared data can be read, or set workers: 0 in params.yaml")


@contextmanager
def worker_failures() -> Iterator[None]:
    """Turn what torch raises when a loader process has died, anywhere in the main thread, into an error that we know.

    Raises:
        MachineError: it had too little shared memory.
        TrainingStopped: it was killed.
    """
    try:
        yield
    except RuntimeError as problem:
        if not str(problem).startswith("DataLoader worker (pid"):
            raise
        if "Bus error" in f"{problem} {problem.__cause__}":
            raise no_room() from problem
        do = f"more memory or fewer workers may help; {AGAIN}"
        raise TrainingStopped("a loader process was killed", do) from problem


def _end_workers() -> None:
    """Kill the loader processes that are left: they ignore SIGTERM, so this process would wait for them for long."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's handler would raise, for a death that we want
    children = multiprocessing.active_children()
    for child in children:
        child.kill()
    for child in children:
        child.join(timeout=5)
    signal.signal(signal.SIGCHLD, before or signal.SIG_DFL)


def one_thread(worker: int) -> None:
    """What a loader process starts with: it is one of several, so one thread is its share."""
    # Slurm sends SIGTERM to every process of a job; the trainer still needs a batch until it has written a checkpoint.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGBUS, signal.SIG_DFL)  # torch's handler would print a line of its own
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def refuse_turned(store: Store, crop_size: tuple[int, int]) -> None:
    """Refuse portrait images if ``crop_size`` (height, width) is landscape, and the reverse.

    Their crops may get the size with its sides swapped, as published, and a batch holds crops of one shape only.

    Raises:
        DatasetError: there is such an image; the first one is named.
    """
    for id, (height, width) in zip(store.ids, store.sizes, strict=True):
        if (width - height) * (crop_size[1] - crop_size[0]) < 0:
            image, crop = ("landscape", "portrait") if width > height else ("portrait", "landscape")
            sizes = f"{width}x{height}, but crop_size is {crop}, {crop_size[1]}x{crop_size[0]}"
            do = "choose a square crop_size for a dataset with both portrait and landscape images"
            raise DatasetError(f"{id} ({store.split}) is {image}, {sizes}", do)
