"""The order of the samples compared with torch's own sampler; independence of workers, processes and resumption."""

import itertools
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.utils.data import BatchSampler, DistributedSampler

from pointrend.datasets.store import Store, StoreWriter
from pointrend.errors import DatasetError, MachineError, ParamsError, TrainingStopped
from pointrend.training import loader as module
from pointrend.training.loader import TrainBatch, epoch_batches, refuse_turned, train_loader
from pointrend.training.schedule import iterations_per_epoch
from pointrend.training.streams import ORDER, POINTS, SAMPLE, torch_seed
from pointrend.training.transforms import TrainPixels, TrainTransform
from tests.datasets.layouts import pixels, values

TRANSFORM = TrainTransform((128, 32), (24, 32))
SEEDS = st.integers(0, 2**31)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    with StoreWriter(folder, "train") as writer:
        for index in range(11):
            size = (20 + index, 55 - 2 * index)  # none is portrait, since the crop is not
            writer.add(f"id{index}", pixels(index, *size), values(index, [0, 1, 2, 255], *size))
    return Store(folder, "train")


def batches(store: Store, **changes: int) -> list[TrainBatch]:
    arguments: Any = {"batch_size_per_process": 2, "processes": 2, "rank": 0, "seed": 3, "epoch": 1, **changes}
    return list(train_loader(store, TRANSFORM, **arguments))


def loaded_by(store: Store, load: Callable[..., TrainPixels], side: int = 1, **more: Any) -> Iterator[TrainBatch]:
    """What one loader process gives that makes its samples, with sides of so many pixels, by ``load``."""
    transform: Any = load
    transform.crop_size = side, side
    arguments: Any = {"batch_size_per_process": 1, "processes": 1, "rank": 0, "seed": 0, "epoch": 1, "workers": 1}
    return train_loader(store, transform, **arguments, **more)


def sample(*pixels: int) -> TrainPixels:
    return TrainPixels(np.array([[pixels]], np.uint8), np.zeros((1, 1), np.uint8), (0, 0, 1, 1))


def assert_equal(one: list[TrainBatch], other: list[TrainBatch]) -> None:
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        for field in TrainBatch._fields:
            assert torch.equal(getattr(left, field), getattr(right, field)), field


@settings(deadline=None, max_examples=300)
@example(10582, 4, 0, 4, 0, 1)
@example(20210, 8, 7, 2, 1, 130)
@example(2975, 4, 3, 2, 2, 220)
@given(st.integers(1, 120), st.integers(1, 16), st.integers(0, 15), st.integers(1, 9), SEEDS, st.integers(1, 300))
def test_the_order_is_that_of_torchs_distributed_sampler(n, processes, rank, batch, seed, epoch):
    rank %= processes
    samples: Any = range(n)
    of_epoch = torch_seed(seed, ORDER, epoch) - epoch  # the sampler adds the epoch
    sampler: Any = DistributedSampler(samples, processes, rank, shuffle=True, seed=of_epoch, drop_last=False)
    sampler.set_epoch(epoch)
    expected = list(BatchSampler(sampler, batch, drop_last=True))
    assert epoch_batches(n, processes, rank, batch, seed, epoch) == expected
    if expected:
        assert iterations_per_epoch(n, processes, batch * processes) == len(expected)
    else:
        with pytest.raises(ParamsError, match="too few"):
            iterations_per_epoch(n, processes, batch * processes)


def test_no_order_of_a_seed_is_that_of_another_seed_or_epoch() -> None:
    orders = {str(epoch_batches(96, 1, 0, 8, seed, epoch)) for seed in range(20) for epoch in range(1, 61)}
    assert len(orders) == 20 * 60


def test_the_streams_of_seeds_purposes_and_places_differ() -> None:
    keys = itertools.product(range(8), (ORDER, SAMPLE, POINTS), range(8), range(8))
    assert len({torch_seed(*key) for key in keys}) == 8 * 3 * 8 * 8


def test_batches_have_the_documented_form(store: Store) -> None:
    batch = batches(store)[0]
    assert [(*of.shape, of.dtype) for of in batch] == [
        (2, 24, 32, 3, torch.uint8),
        (2, 24, 32, torch.uint8),
        (2, 4, torch.int64),
        (2, torch.int64),
    ]
    assert set(batch.labels.unique().tolist()) == {0, 1, 2, 255}
    assert [batch.indices.tolist() for batch in batches(store)] == epoch_batches(11, 2, 0, 2, 3, 1)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_an_epoch_is_the_same_for_any_workers_and_can_be_taken_up_in_the_middle(store, workers):
    whole = batches(store)
    assert len(whole) == 3
    for first in (0, 1, 3) if workers else range(4):
        assert_equal(whole[first:], batches(store, first_batch=first, workers=workers))


def test_processes_and_batch_size_change_no_sample(store):
    def samples(processes: int, batch_size: int) -> dict[int, torch.Tensor]:
        found: dict[int, torch.Tensor] = {}
        for rank in range(processes):
            for batch in batches(store, processes=processes, rank=rank, batch_size_per_process=batch_size):
                found.update(zip(batch.indices.tolist(), batch.pictures, strict=True))
        return found

    one, many = samples(1, 1), samples(3, 2)
    assert len(one) == len(many) == 11
    assert all(torch.equal(one[index], many[index]) for index in one)


@pytest.mark.parametrize("workers", [0, 2])
def test_loading_leaves_the_global_random_state_alone(store, workers):
    drawn = []
    for load in (True, False):
        torch.manual_seed(1)
        np.random.seed(1)
        if load:
            batches(store, workers=workers)
        drawn.append((torch.rand(1).item(), np.random.rand()))
    assert drawn[0] == drawn[1]


def test_workers_use_one_thread(store):
    found = loaded_by(store, lambda *_: sample(cv2.getNumThreads(), torch.get_num_threads(), 0), first_batch=9)
    assert [batch.pictures.tolist() for batch in found] == [[[[[1, 1, 0]]]]] * 2


def killed(by: int) -> Callable[..., TrainPixels]:
    def load(*_: object) -> TrainPixels:
        os.kill(os.getpid(), by)
        raise AssertionError

    return load


def much(*_: object) -> TrainPixels:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, resource.RLIM_INFINITY))  # as for files, so for shared memory
    return sample(0, 0, 0)


NO_ROOM = r"^/dev/shm has no room for .*; give it more"


@pytest.mark.parametrize(
    ("load", "error", "wrong"),
    [
        (killed(signal.SIGKILL), TrainingStopped, "a loader process was killed; more memory or fewer workers may help"),
        (killed(signal.SIGBUS), MachineError, NO_ROOM),
        (much, MachineError, NO_ROOM),
    ],
    ids=["killed", "bus error", "no room for a batch"],
)
def test_the_end_of_a_worker_is_an_error_and_not_waited_for(store, load, error, wrong, capfd):
    with pytest.raises(error, match=wrong):
        next(loaded_by(store, load, side=512))
    assert capfd.readouterr().err == ""


def test_silent_workers_end_the_training(store, monkeypatch):
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(module, "SILENT_SECONDS", 1.0)
    began = time.monotonic()
    with pytest.raises(MachineError, match="returned nothing for 0 min; check that the prepared data can be read"):
        next(loaded_by(store, lambda *_: time.sleep(300) or sample(0, 0, 0)))
    assert 1 <= time.monotonic() - began < 100  # a worker sleeps 300 s


def test_a_slow_batch_is_waited_for(store, monkeypatch):
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
    slow = loaded_by(store, lambda *_: time.sleep(0.3) or sample(0, 0, 0), first_batch=len(store) - 4)
    assert [int(batch.indices) for batch in slow] == [index for (index,) in epoch_batches(11, 1, 0, 1, 0, 1)[-4:]]


@pytest.mark.parametrize(
    ("crop", "refused"),
    [
        ((32, 64), r"upright \(train\) is portrait, 9x10, but crop_size is landscape, 64x32; choose a square"),
        ((64, 32), r"lying \(train\) is landscape, 10x9, but crop_size is portrait, 32x64; choose a square"),
        ((32, 32), None),
        ((1, 1), None),
    ],
)
def test_a_crop_that_would_be_turned_is_refused(tmp_path, crop, refused):
    with StoreWriter(tmp_path, "train") as writer:
        for id, size in (("square", (9, 9)), ("lying", (9, 10)), ("upright", (10, 9))):
            writer.add(id, pixels(1, *size), values(1, [0], *size))
    store = Store(tmp_path, "train")
    if refused is None:
        refuse_turned(store, crop)
    else:
        with pytest.raises(DatasetError, match=refused):
            refuse_turned(store, crop)


LEAVES = """
import sys
from pathlib import Path
from pointrend.datasets.store import Store
from tests.training.test_loader import loaded_by, sample

def load(*_):
    return [sample(0, 0, 0)][1]

batches = loaded_by(Store(Path(sys.argv[1]), "train"), load)
next(batches)
"""


def test_a_process_that_fails_does_not_wait_for_its_workers(store):
    command = [sys.executable, "-c", LEAVES, str(store.folder)]
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 1
