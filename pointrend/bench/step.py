"""A training step of R-50 at full width on two crops of 512x512: ours against plain PyTorch, in one process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from pointrend.allocator import keep_freed_memory, return_freed_memory
from pointrend.bench.figures import FAST, PLAIN, Figure, Finding
from pointrend.bench.plain_network import PlainPointRend
from pointrend.bench.timing import interleaved
from pointrend.model.pointrend import Architecture, PointRend, draw_points
from pointrend.params import RunSetting, load_params
from pointrend.training.distributed import Processes
from pointrend.training.optimizer import make_optimizer
from pointrend.training.step import TrainStep, memory_format

PARAMS = Path(__file__).parents[2] / "params.yaml"
IMAGES, SIDE, CLASSES, THREADS = 2, 512, 21, 2
NAME = f"{IMAGES} crops of {SIDE}x{SIDE}, {THREADS} threads"


def run() -> list[Finding]:
    """Time float32 against plain PyTorch as it is, and where that keeps its freed memory too; then bfloat16."""
    torch.set_num_threads(THREADS)
    plain = plain_step()
    candidates = {
        PLAIN: under(return_freed_memory, plain),
        "kept": under(keep_freed_memory, plain),
        FAST: under(keep_freed_memory, our_step("float32")),
        "bf16": under(keep_freed_memory, our_step("bf16")),
    }
    timings = interleaved(candidates)

    def figure(what: str, slow: str, fast: str) -> Figure:
        return Figure(f"{what}, {NAME}", "step", 1, {PLAIN: timings[slow], FAST: timings[fast]})

    return [
        figure("float32", PLAIN, FAST),
        figure("float32, plain keeps freed memory too", "kept", FAST),
        figure("bf16", PLAIN, "bf16"),
    ]


def under(allocator: Callable[[], None], step: Callable[[], Any]) -> Callable[[], None]:
    """A step under one way of keeping memory."""

    def run_step() -> None:
        allocator()
        step()

    return run_step


def batch() -> tuple[torch.Tensor, torch.Tensor, Any]:
    """Random images, labels in blocks and point draws, always the same ones."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(IMAGES, 3, SIDE, SIDE, generator=generator)
    blocks = torch.randint(0, CLASSES, (IMAGES, 16, 16), generator=generator)
    labels = blocks.repeat_interleave(SIDE // 16, 1).repeat_interleave(SIDE // 16, 2)
    return images, labels, draw_points(Architecture(CLASSES, 50), IMAGES, generator)


def plain_step() -> Callable[[], None]:
    """The network as it is, torch's SGD."""
    torch.manual_seed(0)
    network = PlainPointRend(Architecture(CLASSES, 50)).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9, weight_decay=5e-4)
    inputs = batch()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        network(*inputs)["loss"].backward()
        optimizer.step()

    return step


def our_step(precision: str, *more: str) -> Callable[[], Any]:
    """The step of ``pointrend train`` on this machine's CPU; ``more`` are further settings, KEY=VALUE."""
    recipe = _setting(f"precision={precision}", *more).recipe
    torch.manual_seed(0)
    model = PointRend(Architecture(CLASSES, 50)).train().to(memory_format=memory_format(recipe))
    optimizer = make_optimizer(model, lr=0.001, momentum=0.9, weight_decay=5e-4)
    step, inputs = TrainStep(model, optimizer, recipe, Processes(0, 1, torch.device("cpu"))), batch()
    return lambda: step(*inputs)


def _setting(*overrides: str) -> RunSetting:
    return load_params(PARAMS).at_scale("paper").setting("voc_r50", overrides)
