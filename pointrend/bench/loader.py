"""Training samples: from files as upstream makes them, against ours from the prepared form; and over workers."""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import torch
from torch.utils.data import DataLoader

from pointrend.bench.drawn import KINDS, Drawn, Kind, drawn
from pointrend.bench.figures import FAST, PLAIN, Figure, Finding, Growth
from pointrend.bench.plain_loader import plain_sample
from pointrend.bench.timing import Timing, interleaved
from pointrend.model.inputs import normalize_batch
from pointrend.training.loader import TrainBatch, TrainSamples, collate, one_thread, sample_draws
from pointrend.training.transforms import TrainTransform

SAMPLES = 24
BATCH = 4
LOADED = 60
"""Batches over which workers are timed."""


def run() -> list[Finding]:
    """One thread does everything in the figures; the last line is about worker processes."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    findings: list[Finding] = []
    for kind in KINDS:
        with drawn(kind) as made:
            findings += _figures(kind, made)
            if kind.dataset == "voc":
                growth = _over_workers(kind, made)
    return [*findings, growth]


def _figures(kind: Kind, made: Drawn) -> list[Finding]:
    transform = TrainTransform(kind.base_size, kind.crop_size)
    timings = interleaved(
        {
            PLAIN: lambda: _plain(kind, made),
            FAST: lambda: _ours(made, transform, lambda batch: batch),
            "floats": lambda: _ours(made, transform, lambda batch: normalize_batch(batch.pictures, batch.inside)),
        }
    )
    title = kind.classes.title
    names = {
        FAST: f"{title}: bytes for the device",
        "floats": f"{title}: floats, on the CPU",
    }
    return [_figure(name, timings[PLAIN], timings[way], kind) for way, name in names.items()]


def _figure(name: str, plain: Timing, ours: Timing, kind: Kind) -> Figure:
    return Figure(name, "sample", SAMPLES, {PLAIN: plain, FAST: ours}, {"dataset": kind.dataset})


def _plain(kind: Kind, made: Drawn) -> None:
    for first in range(0, SAMPLES, BATCH):
        samples = [
            plain_sample(
                *made.files[index % kind.pictures],
                kind.classes,
                kind.base_size,
                kind.crop_size,
                sample_draws(0, 1, index),
            )
            for index in range(first, first + BATCH)
        ]
        images, labels = zip(*samples, strict=True)
        torch.stack(images)
        torch.stack(labels)


def _ours(made: Drawn, transform: TrainTransform, finish: Callable[[TrainBatch], object]) -> None:
    samples = TrainSamples(made.store, transform, seed=0, epoch=1)
    for first in range(0, SAMPLES, BATCH):
        finish(collate([samples[index] for index in range(first, first + BATCH)]))


def _over_workers(kind: Kind, made: Drawn) -> Growth:
    samples = TrainSamples(made.store, TrainTransform(kind.base_size, kind.crop_size), seed=0, epoch=1)
    rates = {workers: _rate(samples, workers) for workers in (1, 2)}
    return Growth(f"{kind.classes.title} through the loader", "samples a second", "workers", rates)


def _rate(samples: TrainSamples, workers: int) -> float:
    """Samples a second once all workers have started."""
    order = range(BATCH * (workers + LOADED))
    loader = DataLoader(
        samples, BATCH, sampler=order, collate_fn=collate, num_workers=workers, worker_init_fn=one_thread
    )
    batches = iter(loader)
    for _ in range(workers):
        next(batches)
    started = time.perf_counter()
    return BATCH * sum(1 for _ in batches) / (time.perf_counter() - started)
