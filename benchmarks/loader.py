"""Training samples: from files as upstream makes them, compared with ours from the prepared form; and over workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader

from benchmarks.drawn import KINDS, Kind, drawn
from benchmarks.figures import FAST, PLAIN, Figure, Finding, Growth, interleaved
from benchmarks.plain_loader import plain_sample
from pointrend.model.inputs import normalize_batch
from pointrend.training.loader import TrainBatch, TrainSamples, one_thread, sample_draws, shared
from pointrend.training.transforms import TrainTransform

SAMPLES = 24
BATCH = 4
LOADED = 60  # batches over which workers are timed


def run() -> list[Finding]:
    """One thread does everything in the figures; the last line is about loader processes."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    findings: list[Finding] = []
    for kind in KINDS:
        with drawn(kind) as (files, store):
            samples = TrainSamples(store, TrainTransform(kind.base_size, kind.crop_size), seed=0, epoch=1)
            findings += _figures(kind, files, samples)
            if kind.dataset == "voc":
                rates = {str(workers): _rate(samples, workers) for workers in (1, 2)}
                growth = Growth(f"{kind.classes.title} through the loader", "samples a second", "workers", rates)
    return [*findings, growth]


def _figures(kind: Kind, files: list[tuple[Path, Path]], samples: TrainSamples) -> list[Finding]:
    timings = interleaved(
        {
            PLAIN: lambda: _plain(kind, files),
            "bytes for the device": lambda: _ours(samples, lambda batch: batch),
            "floats, on the CPU": lambda: _ours(samples, lambda batch: normalize_batch(batch.pictures, batch.inside)),
        }
    )
    plain, title, facts = timings.pop(PLAIN), kind.classes.title, {"dataset": kind.dataset}
    ways = {f"{title}: {name}": {PLAIN: plain, FAST: ours} for name, ours in timings.items()}
    return [Figure(name, "sample", SAMPLES, pair, facts) for name, pair in ways.items()]


def _plain(kind: Kind, files: list[tuple[Path, Path]]) -> None:
    sample = partial(plain_sample, classes=kind.classes, base_size=kind.base_size, crop_size=kind.crop_size)
    for first in range(0, SAMPLES, BATCH):
        indices = range(first, first + BATCH)
        samples = [sample(*files[i % kind.images], draws=sample_draws(0, 1, i)) for i in indices]
        for tensors in zip(*samples, strict=True):
            torch.stack(tensors)


def _ours(samples: TrainSamples, finish: Callable[[TrainBatch], object]) -> None:
    for first in range(0, SAMPLES, BATCH):
        finish(samples.batch(range(first, first + BATCH)))


def _rate(samples: TrainSamples, workers: int) -> float:
    """Samples a second once all loader processes have started."""
    order = range(BATCH * (workers + LOADED))
    how: dict[str, Any] = {"collate_fn": shared, "num_workers": workers, "worker_init_fn": one_thread}
    loader: DataLoader = DataLoader(samples, BATCH, sampler=order, **how)
    batches = iter(loader)
    for _ in range(workers):
        next(batches)
    started = time.perf_counter()
    return BATCH * sum(1 for _ in batches) / (time.perf_counter() - started)
