"""What a training step spends its time on, by torch.profiler."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from pointrend.bench.figures import Shares

STEPS = 2
SMALLEST = 0.02
"""Share of an operator that is named; smaller ones are told together."""
PARTS = {
    "convolution_backward": "convolutions, backward",
    "convolution": "convolutions, forward",
    "batch_norm_backward": "batch norms, backward",
    "batch_norm": "batch norms, forward",
    "threshold_backward": "ReLU, backward",
    "clamp_min": "ReLU, forward",
    "relu": "ReLU, forward",
    "add": "additions",
    "upsample": "resizing",
}
"""Names in the table by what the operator's name contains; the first that fits."""


def profiled(name: str, step: Callable[[], Any], device: torch.device) -> Shares:
    """Shares of the time that operators themselves took, on the GPU where ``device`` is one."""
    cuda = device.type == "cuda"
    step()
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]) as found:
        for _ in range(STEPS):
            step()
        if cuda:
            torch.cuda.synchronize(device)
    times: defaultdict[str, float] = defaultdict(float)
    for event in found.key_averages():
        if event.key.startswith("aten::") or cuda:
            times[_part(event.key)] += event.self_device_time_total if cuda else event.self_cpu_time_total
    return Shares(name, shares_of(times))


def shares_of(times: dict[str, float]) -> dict[str, float]:
    """Shares of the whole, the largest first; those under :data:`SMALLEST` together as the last."""
    whole = sum(times.values()) or 1.0
    shares = {part: time / whole for part, time in sorted(times.items(), key=lambda item: -item[1])}
    named = {part: share for part, share in shares.items() if share >= SMALLEST}
    return {**named, "everything else, each less than 2 %": 1 - sum(named.values())}


def _part(operator: str) -> str:
    return next((part for word, part in PARTS.items() if word in operator), operator.removeprefix("aten::"))
