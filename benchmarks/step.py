"""A training step at full width: ours beside plain PyTorch, and that of every run, from which `pointrend plan` computes
hours."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.figures import FAST, PLAIN, Figure, Finding, interleaved
from benchmarks.plain_network import PlainPointRend
from pointrend.checkout.machine import keep_freed_memory
from pointrend.datasets.registry import classes_of
from pointrend.model.inputs import normalize_batch
from pointrend.model.pointrend import Architecture, PointDraws, PointRend, draw_points
from pointrend.settings.params import RunSetting, load_params
from pointrend.training.distributed import Processes
from pointrend.training.loader import TrainBatch
from pointrend.training.loop import TrainStep

PARAMS = load_params(Path(__file__).parents[1] / "params.yaml").at_scale("paper")
THREADS, IMAGES = 2, 2
REPEATS = 2  # of the step of every run
ITERATIONS = 10**6  # of the schedule; the learning rate stays in its warm-up


def run() -> list[Finding]:
    """On the GPU, or where there is none on two threads: float32 and bfloat16 beside plain PyTorch; then all six runs.

    Every candidate keeps the memory that it frees, as a training does.
    """
    keep_freed_memory()
    torch.set_num_threads(THREADS)
    torch.backends.cudnn.benchmark = True  # as a training does
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    bf16 = PARAMS.setting("voc_r50", ("precision=bf16",))
    setting = PARAMS.setting("voc_r50")
    steps = {PLAIN: _plain_step(setting, device), FAST: _step(setting, IMAGES, device)}
    timings = interleaved(steps | {"bf16": _step(bf16, IMAGES, device)})
    name = f"{IMAGES} crops of 512x512, {'GPU' if device.type == 'cuda' else f'{THREADS} threads'}"
    ways = {"float32": FAST, "bf16": "bf16"}
    return [
        *(Figure(f"{what}, {name}", "step", 1, {PLAIN: timings[PLAIN], FAST: timings[ways[what]]}) for what in ways),
        *(_of_run(PARAMS.setting(run), device) for run in PARAMS.runs),
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


def _step(setting: RunSetting, images: int, device: torch.device) -> Callable[[], Any]:
    """The step of ``pointrend train`` in one process, always with the same random batch."""
    torch.manual_seed(0)
    model = PointRend(_architecture(setting)).train()
    step = TrainStep(model, setting.recipe, 0, ITERATIONS, Processes(0, 1, device))
    return _waited_for(partial(step, 0, batch(setting, images)), device)


def _plain_step(setting: RunSetting, device: torch.device) -> Callable[[], None]:
    """The plain network with torch's SGD."""
    torch.manual_seed(0)
    recipe, loaded = setting.recipe, batch(setting, IMAGES)
    network = PlainPointRend(_architecture(setting)).train().to(device)
    images = normalize_batch(loaded.pictures, loaded.inside).contiguous().to(device)
    labels = loaded.labels.long().to(device)
    draws = PointDraws(*(draw.to(device) for draw in draw_points(network.architecture, IMAGES, torch.Generator())))
    optimizer = torch.optim.SGD(
        network.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        network(images, labels, draws)["loss"].backward()
        optimizer.step()

    return _waited_for(step, device)


def _waited_for(step: Callable[[], Any], device: torch.device) -> Callable[[], None]:
    def run_step() -> None:
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return run_step


def batch(setting: RunSetting, images: int) -> TrainBatch:
    """Random crops and labels in blocks, as the loader gives them."""
    generator, (height, width) = torch.Generator().manual_seed(1), setting.recipe.crop_size
    pixels = torch.randint(0, 256, (images, height, width, 3), generator=generator, dtype=torch.uint8)
    classes, size = _architecture(setting).num_classes, (images, height // 32, width // 32)
    blocks = torch.randint(0, classes, size, generator=generator, dtype=torch.uint8)
    labels = blocks.repeat_interleave(32, 1).repeat_interleave(32, 2)
    return TrainBatch(pixels, labels, torch.tensor([[0, 0, height, width]] * images), torch.arange(images))


def _architecture(setting: RunSetting) -> Architecture:
    """The network of a run with the classes of its dataset."""
    return Architecture.of(setting, len(classes_of(setting.dataset).names))
