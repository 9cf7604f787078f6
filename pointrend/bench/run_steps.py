"""A training step of every run of the published recipe at full size, from which ``pointrend plan`` tells hours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from pointrend.bench.figures import FAST, Figure
from pointrend.bench.timing import interleaved
from pointrend.checkout.allocator import keep_freed_memory
from pointrend.datasets.registry import classes_of
from pointrend.model.pointrend import Architecture, PointRend
from pointrend.settings.params import RunSetting, load_params
from pointrend.training.distributed import Processes
from pointrend.training.loader import TrainBatch
from pointrend.training.loop import TrainStep

PARAMS = Path(__file__).parents[2] / "params.yaml"
REPEATS = 2
ITERATIONS = 10**6  # of the schedule; the learning rate stays in its warm-up


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
    """The step of ``pointrend train`` in one process, always with the same random batch."""
    torch.manual_seed(0)
    model = PointRend(architecture_of(setting)).train()
    step, of_loader = TrainStep(model, setting.recipe, 0, ITERATIONS, Processes(0, 1, device)), batch(setting, images)
    return lambda: step(0, of_loader)


def batch(setting: RunSetting, images: int) -> TrainBatch:
    """Random crops and labels in blocks, as the loader gives them."""
    generator, (height, width) = torch.Generator().manual_seed(1), setting.recipe.crop_size
    pictures = torch.randint(0, 256, (images, height, width, 3), generator=generator, dtype=torch.uint8)
    classes, size = architecture_of(setting).num_classes, (images, height // 32, width // 32)
    blocks = torch.randint(0, classes, size, generator=generator, dtype=torch.uint8)
    labels = blocks.repeat_interleave(32, 1).repeat_interleave(32, 2)
    return TrainBatch(pictures, labels, torch.tensor([[0, 0, height, width]] * images), torch.arange(images))


def architecture_of(setting: RunSetting) -> Architecture:
    """The network of a run with the classes of its dataset."""
    return Architecture.of(setting, len(classes_of(setting.dataset).names))
