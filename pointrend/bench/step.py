"""A training step at full width: ours against plain PyTorch, what it consists of, and that of every run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from pointrend.bench.figures import FAST, PLAIN, Figure, Finding
from pointrend.bench.plain_network import PlainPointRend
from pointrend.bench.run_steps import architecture_of, batch, of_every_run, setting_of, step_of
from pointrend.bench.step_profile import profiled
from pointrend.bench.timing import interleaved
from pointrend.checkout.allocator import keep_freed_memory, return_freed_memory
from pointrend.model.pointrend import PointDraws, draw_points
from pointrend.settings.params import RunSetting
from pointrend.training.normalization import normalize_batch

THREADS, IMAGES = 2, 2
RUN = "voc_r50"


def run() -> list[Finding]:
    """On the GPU, or where there is none on two threads.

    float32 against plain PyTorch as it is, and where that keeps its freed memory too; bfloat16; then all six runs.
    """
    torch.set_num_threads(THREADS)
    torch.backends.cudnn.benchmark = True  # as a training does
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    plain, ours = plain_step(setting_of(RUN), device), step_of(setting_of(RUN), IMAGES, device)
    candidates = {
        PLAIN: under(return_freed_memory, plain, device),
        "kept": under(keep_freed_memory, plain, device),
        FAST: under(keep_freed_memory, ours, device),
        "bf16": under(keep_freed_memory, step_of(setting_of(RUN, "precision=bf16"), IMAGES, device), device),
    }
    timings = interleaved(candidates)
    where = "GPU" if device.type == "cuda" else f"{THREADS} threads"
    name = f"{IMAGES} crops of 512x512, {where}"

    def figure(what: str, slow: str, fast: str) -> Figure:
        return Figure(f"{what}, {name}", "step", 1, {PLAIN: timings[slow], FAST: timings[fast]})

    return [
        figure("float32", PLAIN, FAST),
        figure("float32, plain keeps freed memory too", "kept", FAST),
        figure("bf16", PLAIN, "bf16"),
        profiled(f"the float32 step ({name})", ours, device),
        *of_every_run(device),
    ]


def under(allocator: Callable[[], None], step: Callable[[], Any], device: torch.device) -> Callable[[], None]:
    """A step under one way of keeping memory, waited for."""

    def run_step() -> None:
        allocator()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return run_step


def plain_step(setting: RunSetting, device: torch.device) -> Callable[[], None]:
    """The network as it is, torch's SGD."""
    torch.manual_seed(0)
    recipe, of_loader = setting.recipe, batch(setting, IMAGES)
    images = normalize_batch(of_loader.pictures, of_loader.inside).contiguous().to(device)
    labels = of_loader.labels.long().to(device)
    network = PlainPointRend(architecture_of(setting)).train().to(device)
    draws = PointDraws(*(draw.to(device) for draw in draw_points(network.architecture, IMAGES, torch.Generator())))
    optimizer = torch.optim.SGD(
        network.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        network(images, labels, draws)["loss"].backward()
        optimizer.step()

    return step
