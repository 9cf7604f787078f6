"""What a training step costs, counted without computing it: tensors without storage pass through the network."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from pointrend.datasets.registry import classes_of
from pointrend.model.pointrend import Architecture, PointDraws, PointRend
from pointrend.settings.params import RunSetting

IMAGES = 2  # enough for batch norm
STATE = 3 * 4  # bytes per parameter: weight, gradient and momentum in float32


class StepCost(NamedTuple):
    """The forward and backward pass of one image, and what the training keeps on the GPU."""

    flops: float  # of convolutions and matrix products; a multiplication and an addition are two
    image_bytes: float  # kept for the backward pass, per image
    state_bytes: float  # weights, gradients, momenta


def step_cost(setting: RunSetting) -> StepCost:
    """The cost of a training step of this run, in seconds and on any machine."""
    recipe, bf16 = setting.recipe, setting.recipe.precision == "bf16"
    architecture = Architecture.of(setting, len(classes_of(setting.dataset).names))
    counts = architecture.oversampled_points, architecture.train_points - architecture.important_points
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with FakeTensorMode():
        model = PointRend(architecture).train()
        images = torch.empty(IMAGES, 3, *recipe.crop_size).contiguous(memory_format=torch.channels_last)
        labels = torch.zeros(IMAGES, *recipe.crop_size, dtype=torch.int64)
        draws = PointDraws(*(torch.empty(IMAGES, count, 2) for count in counts))
        with FlopCounterMode(display=False) as counter, saved_tensors_hooks(keep, lambda tensor: tensor):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                loss = model(images, labels, draws)["loss"]
            loss.backward()
    weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    activations = sum(tensor.untyped_storage().nbytes() for key, tensor in kept.items() if key not in weights)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return StepCost(counter.get_total_flops() / IMAGES, activations / IMAGES, STATE * parameters)
