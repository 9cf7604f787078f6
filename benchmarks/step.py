"""A training step at full width: ours beside plain PyTorch, and that of every run, from which `pointrend plan` computes
hours."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.figures import FAST, PLAIN, Figure, Finding
from benchmarks.plain_network import PlainPointRend
from benchmarks.timing import interleaved
from pointrend.checkout.machine import keep_freed_memory
from pointrend.datasets.registry import classes_of
from pointrend.model.build import architecture
from pointrend.model.pointrend import Architecture, PointDraws, PointRend, draw_points
from pointrend.settings.params import RunSetting, load_params
from pointrend.training.distributed import Processes
from pointrend.training.optimizer import make_optimizer
from pointrend.training.step import TrainStep, memory_format

PARAMS = load_params(Path(__file__).parents[1] / "params.yaml").at_scale("paper")
THREADS, IMAGES = 2, 2
RUN = "voc_r50"
REPEATS = 2  # of the step of every run


def run() -> list[Finding]:
    """On the GPU, or where there is none on two threads: float32 and bfloat16 beside plain PyTorch; then all six runs.

    Every candidate keeps the memory that it frees, as a training does.
    """
    keep_freed_memory()
    torch.set_num_threads(THREADS)
    torch.backends.cudnn.benchmark = True  # as a training does
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    bf16 = setting_of(RUN, ("precision=bf16",))
    steps = {PLAIN: _plain_step(setting_of(RUN), device), FAST: _step(setting_of(RUN), IMAGES, device)}
    timings = interleaved(steps | {"bf16": _step(bf16, IMAGES, device)})
    name = f"{IMAGES} crops of 512x512, {'GPU' if device.type == 'cuda' else f'{THREADS} threads'}"
    ways = {"float32": FAST, "bf16": "bf16"}
    return [
        *(Figure(f"{what}, {name}", "step", 1, {PLAIN: timings[PLAIN], FAST: timings[ways[what]]}) for what in ways),
        *(_of_run(setting_of(run), device) for run in PARAMS.runs),
    ]


def _of_run(setting: RunSetting, device: torch.device) -> Figure:
    """One process: a GPU takes its share of the published batch, a CPU one crop.

    The synchronization of batch norms and gradients between several processes is not included.
    """
    recipe = setting.recipe
    images = recipe.batch_size // recipe.gpus if device.type == "cuda" else 1
    timings = interleaved({FAST: _step(setting, images, device)}, REPEATS)
    height, width = recipe.crop_size
    facts = {"run": setting.run, "images": images, "crop_size": [height, width], "width": recipe.width}
    return Figure(f"{setting.run}, {images} x {width}x{height} per process", "step", 1, timings, facts)


def setting_of(run: str, overrides: tuple[str, ...] = ()) -> RunSetting:
    """The published recipe of a run."""
    return PARAMS.setting(run, overrides)


def _step(setting: RunSetting, images: int, device: torch.device) -> Callable[[], Any]:
    """The step of ``pointrend train`` in one process, always with the same random input, which is on the device."""
    recipe, inputs = setting.recipe, batch(setting, images, device)
    torch.manual_seed(0)
    model = PointRend(_architecture(setting)).train().to(device).to(memory_format=memory_format(recipe))
    optimizer = make_optimizer(model, lr=0.001, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    return _waited_for(partial(TrainStep(model, optimizer, recipe, Processes(0, 1, device)), *inputs), device)


def _plain_step(setting: RunSetting, device: torch.device) -> Callable[[], None]:
    """The plain network with torch's SGD."""
    torch.manual_seed(0)
    recipe, inputs = setting.recipe, batch(setting, IMAGES, device)
    network = PlainPointRend(_architecture(setting)).train().to(device)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        network(*inputs)["loss"].backward()
        optimizer.step()

    return _waited_for(step, device)


def _waited_for(step: Callable[[], Any], device: torch.device) -> Callable[[], None]:
    def run_step() -> None:
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return run_step


def batch(setting: RunSetting, images: int, device: torch.device) -> tuple[Tensor, Tensor, PointDraws]:
    """Random crops, labels in blocks and point draws, on ``device``."""
    generator, (height, width) = torch.Generator().manual_seed(1), setting.recipe.crop_size
    network = _architecture(setting)
    pixels = torch.randn(images, 3, height, width, generator=generator)
    blocks = torch.randint(0, network.num_classes, (images, height // 32, width // 32), generator=generator)
    labels = blocks.repeat_interleave(32, 1).repeat_interleave(32, 2)
    draws = PointDraws(*(draw.to(device) for draw in draw_points(network, images, generator)))
    return pixels.to(device), labels.to(device), draws


def _architecture(setting: RunSetting) -> Architecture:
    """The network of a run with the classes of its dataset."""
    return architecture(setting, len(classes_of(setting.dataset).names))
