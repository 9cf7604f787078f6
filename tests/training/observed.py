"""Trainings at scale paper on the CPU, and what of them reaches the network, the losses and the optimiser.

The counts, the crops and the network are the published ones. One process plays any rank of the four: torch's fake
process group answers with what it was asked. What the network computes between images and heads would take minutes, so
a stand-in takes its place where it does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional
from torch.testing._internal.distributed.fake_pg import FakeStore

from pointrend.datasets.store import Bytes
from pointrend.files import canonical_json
from pointrend.model import pointrend as network
from pointrend.model.pointrend import PointDraws, PointRend
from pointrend.settings.params import load_params
from pointrend.training import loop
from pointrend.training.checkpoints import Progress
from pointrend.training.distributed import Processes
from pointrend.training.loop import PretrainedBackbone, Trainer
from tests.tiny import ROOT
from tests.training.by_recipe import GPUS, IGNORED, RUNS

SEED = 7
CPU = torch.device("cpu")
# (height, width) of the few images that a dataset is made of here.
SIZES = {"voc": [(375, 500), (500, 332), (281, 500)], "ade20k": [(512, 683), (683, 512), (256, 256)]}
SIZES["cityscapes"] = [(512, 1024)] * 3
# How they are encoded: thousands of copies must fit on the disk.
SMALL = (cv2.IMWRITE_PNG_COMPRESSION, 9, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT)


@dataclass(frozen=True)
class PaperData:
    """A store with as many images as were published, the same few again and again, and these few."""

    folder: Path
    few: list[tuple[Bytes, Bytes]]

    def __getitem__(self, index: int) -> tuple[Bytes, Bytes]:
        return self.few[index % len(self.few)]


def write_data(folder: Path, run: str) -> PaperData:
    """Write the training split of the run's dataset."""
    few = [_scene(number, size, RUNS[run].classes) for number, size in enumerate(SIZES[run.split("_")[0]])]
    encoded = [[cv2.imencode(".png", pixels, SMALL)[1].tobytes() for pixels in pair] for pair in few]
    order = np.arange(RUNS[run].images) % len(few)
    lengths = np.array([[len(data) for data in pair] for pair in encoded])[order]
    for kind, name in enumerate(("pictures", "labels")):
        (folder / f"train.{name}.bin").write_bytes(b"".join(encoded[number][kind] for number in order))
    sizes = [few[number][1].shape for number in order]
    index = {"ids": [f"{i:05d}" for i in range(len(order))], "sizes": sizes, "ends": lengths.cumsum(0).tolist()}
    (folder / "train.index.json").write_text(canonical_json(index))
    return PaperData(folder, few)


def _scene(number: int, size: tuple[int, int], classes: int) -> tuple[Bytes, Bytes]:
    """Coloured blocks, most of them of class 0, so that many crops show too much of it, and some without a label."""
    rng = np.random.default_rng(number)
    cells = tuple(-(-side // 40) for side in size)
    blocks = np.ones((40, 40), np.uint8)
    label = np.where(rng.random(cells) < 0.75, 0, rng.integers(1, classes, cells)).astype(np.uint8)
    label[rng.random(cells) < 0.1] = IGNORED
    colours = rng.integers(0, 256, (*cells, 3), np.uint8)
    picture, label = np.kron(colours, blocks[..., None]), np.kron(label, blocks)
    return np.ascontiguousarray(picture[: size[0], : size[1]]), np.ascontiguousarray(label[: size[0], : size[1]])


@contextmanager
def one_of_four(rank: int) -> Iterator[Processes]:
    """This process as ``rank`` of the published four; gradients stay as they are, with nobody there to average them."""
    dist.init_process_group("fake", store=FakeStore(), rank=rank, world_size=GPUS)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "DistributedDataParallel", lambda model: model)
            yield Processes(rank, GPUS, CPU)
    finally:
        dist.destroy_process_group()


@contextmanager
def flags_turned() -> Iterator[None]:
    """Within the block torch's flags begin as the opposite of what a training sets."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = True, True, False
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = before


def paper_trainer(
    run: str, data: Path, out: Path, processes: Processes, *more: str, backbone: PretrainedBackbone | None = None
) -> Trainer:
    """The trainer of a run at scale paper; loader processes, on which no result depends, are left out."""
    setting = load_params(ROOT / "params.yaml").at_scale("paper").setting(run, ("device=cpu", "workers=0", *more))
    return Trainer(setting, SEED, data, out, backbone, processes)


@dataclass
class Step:
    """What one iteration was seen to do."""

    images: Tensor
    labels: Tensor
    draws: PointDraws
    training: bool
    autocast: bool
    tf32: tuple[bool, bool]
    # Arguments and results of the functions between the heads and the losses, by name.
    calls: dict[str, tuple[tuple[Any, ...], dict[str, Any], Any]] = field(default_factory=dict)
    losses: dict[str, Tensor] = field(default_factory=dict)
    # Gradient of the sum of both losses, of this process alone, by the weights of :func:`watched`.
    of_sum: list[Tensor] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)  # of the optimiser, parameters included
    gradients: list[Tensor] = field(default_factory=list)  # given to the optimiser for the weights of watched()
    before: list[Tensor] = field(default_factory=list)  # those weights before and after its update
    after: list[Tensor] = field(default_factory=list)


def watched(model: PointRend) -> list[nn.Parameter]:
    """Weights of both heads: of the last layers, a bias and a norm."""
    coarse, points = model.coarse_head.classifier, model.point_head
    first: Any = points.layers[0]
    return [coarse.weight, points.classifier.weight, points.classifier.bias, first[1].weight]


class Enough(Exception):
    """The training has made the steps that are looked at."""


class Observer:
    """Hooks on a trainer that note its steps and end it after ``count`` of them."""

    def __init__(self, trainer: Trainer, count: int) -> None:
        self.steps: list[Step] = []
        self.model, self.count = trainer.model, count
        self.hooks = [
            trainer.model.register_forward_pre_hook(self.before_network),
            trainer.model.register_forward_hook(self.after_network),
            trainer.optimizer.register_step_pre_hook(self.before_update),
            trainer.optimizer.register_step_post_hook(self.after_update),
        ]

    def before_network(self, model: PointRend, inputs: tuple[Tensor, Tensor, PointDraws]) -> None:
        tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        training = all(module.training for module in model.modules())
        self.steps.append(Step(*inputs, training, torch.is_autocast_enabled("cpu"), tf32))

    def after_network(self, model: PointRend, _: Any, losses: dict[str, Tensor]) -> None:
        both = losses["loss_point"] + losses["loss_coarse"]
        self.steps[-1].of_sum = list(torch.autograd.grad(both, watched(model), retain_graph=True))
        self.steps[-1].losses = {name: value.detach() for name, value in losses.items()}

    def before_update(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        step = self.steps[-1]
        step.groups = [dict(group) for group in optimizer.param_groups]
        step.gradients = [weight.grad.clone() for weight in watched(self.model) if weight.grad is not None]
        step.before = self.weights()

    def after_update(self, *_: Any) -> None:
        self.steps[-1].after = self.weights()
        if len(self.steps) == self.count:
            raise Enough

    def weights(self) -> list[Tensor]:
        return [weight.detach().clone() for weight in watched(self.model)]

    def call(self, patch: pytest.MonkeyPatch, name: str) -> None:
        """Note what the network's function of this name is called with."""
        called = getattr(network, name)

        def spy(*args: Any, **more: Any) -> Any:
            result = called(*args, **more)
            self.steps[-1].calls[name] = args, more, result
            return result

        patch.setattr(network, name, spy)


def steps_of(trainer: Trainer, count: int, start: int | None = None) -> list[Step]:
    """What the next ``count`` iterations do, or those to the end; with ``start`` those after so many finished ones."""
    if start is not None:
        trainer.progress = Progress(start, b"", 0.0, 0)
    observer = Observer(trainer, count)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("select_training_points", "cross_entropy"):
            observer.call(patch, name)
        with suppress(Enough):
            trainer.run()
    for hook in observer.hooks:
        hook.remove()
    return observer.steps


def light_features(model: PointRend, images: Tensor) -> tuple[Tensor, Tensor]:
    """Stand-in for what leads from the images to the heads: blurred pixels. Every parameter has a gradient, most 0."""
    pixels = functional.avg_pool2d(images, 4, ceil_mode=True)
    untouched = sum(parameter.sum() for parameter in model.parameters()) * 0
    maps = pixels.repeat(1, 86, 1, 1) + untouched
    return maps[:, :256], model.coarse_head.classifier(maps[:, :128])
