"""A training step of every run of the published recipe at full size, from which ``pointrend plan`` tells hours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pointrend.bench.figures import FAST, Figure
from pointrend.bench.timing import interleaved
from pointrend.checkout.allocator import keep_freed_memory
from pointrend.datasets.registry import classes_of
from pointrend.model.pointrend import Architecture, PointDraws, PointRend, draw_points
from pointrend.settings.params import RunSetting, load_params
from pointrend.training.distributed import Processes
from pointrend.training.optimizer import make_optimizer
from pointrend.training.step import TrainStep, memory_format

PARAMS = Path(__file__).parents[2] / "params.yaml"
REPEATS = 2


def of_every_run(device: torch.device) -> list[Figure]:
    """One process: a GPU takes its share of the published batch, a CPU one crop.

    What several processes add, batch norms and gradients over all of them, is not in it.
    """
    figures = []
    for run in load_params(PARAMS).at_scale("paper").runs:
        recipe = setting_of(run).recipe
        images = recipe.batch_size // recipe.gpus if device.type == "cuda" else 1
        figures.append(_figure(setting_of(run), images, device))
    return figures


def _figure(setting: RunSetting, images: int, device: torch.device) -> Figure:
    step = step_of(setting, images, device)

    def waited_for() -> None:
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    keep_freed_memory()
    recipe = setting.recipe
    height, width = recipe.crop_size
    facts = {"run": setting.run, "images": images, "crop_size": [height, width], "width": recipe.width}
    name = f"{setting.run}, {images} x {width}x{height} a process"
    return Figure(name, "step", 1, interleaved({FAST: waited_for}, REPEATS), facts)


def setting_of(run: str, *overrides: str) -> RunSetting:
    """The published recipe of a run, with ``overrides`` as KEY=VALUE."""
    return load_params(PARAMS).at_scale("paper").setting(run, overrides)


def step_of(setting: RunSetting, images: int, device: torch.device) -> Callable[[], Any]:
    """The step of ``pointrend train`` in one process, always with the same random input, which lies on the device."""
    recipe, inputs = setting.recipe, batch(setting, images, device)
    torch.manual_seed(0)
    model = PointRend(architecture_of(setting)).train()
    model = model.to(device).to(memory_format=memory_format(recipe))
    optimizer = make_optimizer(model, lr=0.001, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    step = TrainStep(model, optimizer, recipe, Processes(0, 1, device))
    return lambda: step(*inputs)


def batch(setting: RunSetting, images: int, device: torch.device) -> tuple[Tensor, Tensor, PointDraws]:
    """Random crops, labels in blocks and point draws, on ``device``."""
    generator, (height, width) = torch.Generator().manual_seed(1), setting.recipe.crop_size
    of = architecture_of(setting)
    pictures = torch.randn(images, 3, height, width, generator=generator)
    blocks = torch.randint(0, of.num_classes, (images, height // 32, width // 32), generator=generator)
    labels = blocks.repeat_interleave(32, 1).repeat_interleave(32, 2)
    draws = PointDraws(*(draw.to(device) for draw in draw_points(of, images, generator)))
    return pictures.to(device), labels.to(device), draws


def architecture_of(setting: RunSetting) -> Architecture:
    """The network of a run with the classes of its dataset."""
    return Architecture.of(setting, len(classes_of(setting.dataset).names))
