"""Training samples in their order: the same for every number of workers, and from any batch on.

What is random about sample ``index`` in ``epoch`` follows from (seed, epoch, index) alone. The order is that of torch's
DistributedSampler with its shuffle, from which incomplete batches are dropped (RECIPE section 6).
"""

from __future__ import annotations

import atexit
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from pointrend.datasets.store import Store
from pointrend.errors import DatasetError, MachineError, PointrendError, TrainingStopped
from pointrend.training.shared_memory import PREFETCH, no_room
from pointrend.training.transforms import Bytes, TrainPixels, TrainTransform

TrainSample = tuple[TrainPixels, int]
SILENT_SECONDS = 600.0
"""Loader processes that give no batch for so long end the training."""
STOP_SECONDS = 10.0
"""The same where the training is asked to stop meanwhile."""
LOOK_SECONDS = 1.0
"""How long a batch is waited for before the two above are looked at."""
JOIN_SECONDS = 5.0
"""How long a killed loader process is waited for."""
TIMED_OUT = "DataLoader timed out"
WORKER = "DataLoader worker (pid"
"""What torch's messages begin with."""
AGAIN = "the same command goes on from the last checkpoint"


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
    return np.random.RandomState(np.random.PCG64(np.random.SeedSequence([seed, epoch, index])))


class TrainSamples(Dataset[TrainSample]):
    """The samples of a store in one epoch, each with its index in the store."""

    def __init__(self, store: Store, transform: TrainTransform, seed: int, epoch: int) -> None:
        self.store = store
        self.transform = transform
        self.seed = seed
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, index: int) -> TrainSample:
        draws = sample_draws(self.seed, self.epoch, index)
        return self.transform(self.store.picture(index), self.store.label(index), draws), index


class _SamplesOrErrors(Dataset[TrainSample | PointrendError]):
    """Samples, and in the place of one that cannot be had the error that says so.

    Of an error that a worker raises torch would leave only the text.
    """

    def __init__(self, samples: TrainSamples) -> None:
        self.samples = samples

    def __getitem__(self, index: int) -> TrainSample | PointrendError:
        try:
            return self.samples[index]
        except PointrendError as error:
            return error


def epoch_batches(n: int, processes: int, rank: int, batch_per_process: int, seed: int, epoch: int) -> list[list[int]]:
    """Indices of the batches that process ``rank`` of ``processes`` sees in an epoch (the first is 1) of ``n`` samples.

    The permutation is repeated until the processes share it evenly; incomplete batches are dropped only after that.
    """
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed + epoch)).numpy()
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

    Worker processes that give nothing are not waited for when ``stop`` says that the training was asked to stop.

    Raises:
        DatasetError: on the way, a picture cannot be read.
        TrainingStopped: on the way, a worker process was killed, or none gave a batch when the training was to stop.
        MachineError: on the way, worker processes found no room, or gave nothing for :data:`SILENT_SECONDS`.
    """
    batches = epoch_batches(len(store), processes, rank, batch_size_per_process, seed, epoch)
    loader = DataLoader(
        _SamplesOrErrors(TrainSamples(store, transform, seed, epoch)),
        batch_sampler=batches[first_batch:],
        collate_fn=_batch_or_error,
        num_workers=workers,
        prefetch_factor=PREFETCH if workers else None,
        timeout=LOOK_SECONDS if workers else 0,
        worker_init_fn=one_thread,
        pin_memory=pin_memory,
        # Only so that the loader draws its workers' seeds, which nothing uses, from here and not from the global state.
        generator=torch.Generator(),
    )
    return _whole_batches(loader, stop)


def _whole_batches(loader: Iterable[MaybeBatch], stop: Callable[[], bool]) -> Iterator[TrainBatch]:
    """The batches of a loader, and what ends it as an error that we know."""
    batches = iter(loader)
    atexit.unregister(_end_workers)  # What is registered last comes first, before torch waits for each of them.
    atexit.register(_end_workers)
    while (batch := _next(batches, stop)) is not None:
        if isinstance(batch, PointrendError):
            raise batch
        yield batch


def _next(batches: Iterator[MaybeBatch], stop: Callable[[], bool]) -> MaybeBatch | None:
    """The next batch, None at the end."""
    asked = time.monotonic()
    while True:
        try:
            with worker_failures():
                return next(batches, None)
        except RuntimeError as problem:
            if not str(problem).startswith(TIMED_OUT):
                raise
        waited = time.monotonic() - asked
        if stop() and waited >= STOP_SECONDS:
            _end_workers()
            raise TrainingStopped("asked to stop while no batch came from the processes that load pictures", AGAIN)
        if waited >= SILENT_SECONDS:
            _end_workers()
            what = f"the processes that load pictures gave nothing for {waited / 60:.0f} min"
            raise MachineError(what, "see whether the prepared data can be read, or set workers: 0 in params.yaml")


@contextmanager
def worker_failures() -> Iterator[None]:
    """Turn what torch raises when a worker process has died, anywhere in the main thread, into an error that we know.

    Raises:
        MachineError: it found no room in shared memory.
        TrainingStopped: it was killed.
    """
    try:
        yield
    except RuntimeError as problem:
        if not str(problem).startswith(WORKER):
            raise
        if "Bus error" in f"{problem} {problem.__cause__}":
            raise no_room() from problem
        do = f"more memory or fewer workers may help; {AGAIN}"
        raise TrainingStopped("a process that loads pictures was killed", do) from problem


def _end_workers() -> None:
    """Kill loader processes that are still there when this one ends: they ignore SIGTERM, so it would wait for long."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's handler would raise, for a death that we want
    children = multiprocessing.active_children()
    for child in children:
        child.kill()
    for child in children:
        child.join(JOIN_SECONDS)
    signal.signal(signal.SIGCHLD, before or signal.SIG_DFL)


def refuse_turned(store: Store, crop_size: tuple[int, int]) -> None:
    """Refuse upright pictures where ``crop_size`` (height, width) lies, and the reverse.

    Their crops may get the size turned round, as published, and a batch holds crops of one shape only.

    Raises:
        DatasetError: there is such a picture; the first one is named.
    """
    lies = crop_size[1] - crop_size[0]
    for id, (height, width) in zip(store.ids, store.sizes, strict=True):
        if (width - height) * lies < 0:
            way = "lies" if lies > 0 else "stands"
            raise DatasetError(
                f"{id} of {store.split} is {width}x{height} pixels and the crop {way}, {crop_size[1]}x{crop_size[0]}",
                "choose a square crop_size for a dataset with upright pictures and others",
            )


def collate(samples: Sequence[TrainSample]) -> TrainBatch:
    """One batch of samples."""
    pixels, indices = zip(*samples, strict=True)
    pictures, labels, inside = zip(*pixels, strict=True)
    return TrainBatch(_stacked(pictures), _stacked(labels), torch.tensor(inside), torch.tensor(indices))


def _batch_or_error(samples: Sequence[TrainSample | PointrendError]) -> MaybeBatch:
    """One batch of samples, or the first error among them."""
    whole: list[TrainSample] = []
    for sample in samples:
        if isinstance(sample, PointrendError):
            return sample
        whole.append(sample)
    batch = collate(whole)
    if get_worker_info() is None:
        return batch
    try:
        # Here, and not where torch would do it: in a thread of its own, whose errors nobody hears of.
        return TrainBatch(*(tensor.share_memory_() for tensor in batch))
    except RuntimeError:
        return no_room()


def _stacked(arrays: Sequence[Bytes]) -> Tensor:
    return torch.stack([torch.from_numpy(array) for array in arrays])


def one_thread(worker: int) -> None:
    """What a worker process starts with: it is one of several, so one thread is its share."""
    # Slurm sends SIGTERM to every process of a job; the trainer still needs a batch until it has left its checkpoint.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGBUS, signal.SIG_DFL)  # torch's handler would print a line of its own
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
