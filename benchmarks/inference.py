"""The segmentation of an image with R-50 at full width: ours beside plain PyTorch in one process; time and memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from benchmarks.figures import FAST, PLAIN, REPEATS, Figure, Finding, Timing, interleaved
from benchmarks.plain_network import PlainPointRend
from pointrend.checkout.machine import keep_freed_memory
from pointrend.evaluation.segmenters import segmenter
from pointrend.model.pointrend import Architecture, PointRend

THREADS = 2
SIZES = {  # classes, (height, width) of the network's input, (height, width) of the image
    "VOC, 500x375": (21, (512, 683), (375, 500)),
    "Cityscapes, 2048x1024": (19, (1024, 2048), (1024, 2048)),
}
LARGEST = (150, (1024, 2048), (1024, 2048))


def run() -> list[Finding]:
    """Measure the memory of the largest map with 150 classes, then time two sizes in float32 and bfloat16.

    Memory comes first: while it is measured glibc still returns freed memory to the system, afterwards it is kept, as
    in every command that uses the network.
    """
    torch.set_num_threads(THREADS)
    findings: list[Finding] = []
    findings.append(Figure("150 classes, 2048x1024, memory returned", "image", 1, _timings(*LARGEST, repeats=1)))
    keep_freed_memory()
    for name, case in SIZES.items():
        timings = _timings(*case)
        for way in (FAST, "bf16"):
            findings.append(Figure(f"{name}, {way}", "image", 1, {PLAIN: timings[PLAIN], FAST: timings[way]}))
    return findings


def _timings(classes: int, size: tuple[int, int], output: tuple[int, int], repeats: int = REPEATS) -> dict[str, Timing]:
    """Plain PyTorch and our two ways from a network input of ``size`` to a label map of the size ``output``."""
    torch.manual_seed(0)
    model = PointRend(Architecture(classes, 50)).eval()
    plain = PlainPointRend(model.architecture).eval()
    plain.load_state_dict(model.state_dict())
    images = torch.randn(1, 3, *size)
    candidates: dict[str, Callable[[], object]] = {PLAIN: lambda: plain.labels(images, output)}
    for way in (FAST, "bf16"):
        candidates[way] = partial(segmenter(model, way, "cpu"), images, output, "an image")
    return interleaved(candidates, repeats)
