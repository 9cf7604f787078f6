"""Segmenting a picture with R-50 at full width: ours against plain PyTorch, in one process; time and memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pointrend.bench.figures import FAST, PLAIN, Figure, Finding
from pointrend.bench.plain_network import PlainPointRend
from pointrend.bench.timing import Timing, interleaved
from pointrend.checkout.allocator import keep_freed_memory, return_freed_memory
from pointrend.evaluation.segmenters import segmenter
from pointrend.model.pointrend import Architecture, PointRend

THREADS = 2
SIZES = {
    "VOC, 500x375": (21, (512, 683), (375, 500)),
    "Cityscapes, 2048x1024": (19, (1024, 2048), (1024, 2048)),
}
"""Classes, (height, width) of the network's input, of the picture."""
LARGEST = (150, (1024, 2048), (1024, 2048))


def run() -> list[Finding]:
    """Time two sizes in float32 and bfloat16, then measure the memory of the largest map with 150 classes."""
    torch.set_num_threads(THREADS)
    findings: list[Finding] = []
    for name, case in SIZES.items():
        timings = interleaved(_candidates(*case, allocator=keep_freed_memory))
        findings += [_figure(f"{name}, {what}", timings, what) for what in ("fast", "bf16")]
    timings = interleaved(_candidates(*LARGEST, allocator=return_freed_memory), repeats=1)
    return [*findings, _figure("150 classes, 2048x1024, memory returned", timings, "fast")]


def _figure(name: str, timings: dict[str, Timing], candidate: str) -> Figure:
    return Figure(name, "picture", 1, {PLAIN: timings[PLAIN], FAST: timings[candidate]})


def _candidates(
    classes: int, image: tuple[int, int], picture: tuple[int, int], allocator: Callable[[], None]
) -> dict[str, Callable[[], Any]]:
    """Plain PyTorch, which leaves its memory to glibc, and our two ways, after ``allocator``."""
    torch.manual_seed(0)
    model = PointRend(Architecture(classes, 50)).eval()
    plain = PlainPointRend(model.architecture).eval()
    plain.load_state_dict(model.state_dict())
    images = torch.randn(1, 3, *image)

    def plainly() -> tuple[Tensor, Tensor]:
        return_freed_memory()
        return plain.labels(images, picture)

    def ours(inference: str) -> Callable[[], Any]:
        segment = segmenter(model, inference, "cpu")

        def segmented() -> Any:
            allocator()
            return segment(images, picture, "a picture")

        return segmented

    return {PLAIN: plainly, "fast": ours("fast"), "bf16": ours("bf16")}
