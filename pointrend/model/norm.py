"""Batch norms whose statistics are those of the batches of all processes together (RECIPE section 7.5).

On GPUs it is torch's synchronised norm, which does not run on a CPU; there it is :class:`JoinedBatchNorm`. Neither
changes a name in the state dict.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

Model = TypeVar("Model", bound=nn.Module)


def convert_norms(model: Model, device: torch.device) -> Model:
    """Join every batch norm inside ``model`` over all processes, of which there are several.

    ``device`` is where the model will train. The norms are replaced in place; their parameters and buffers stay the
    same objects. Returns ``model``, which from then on trains only where torch.distributed is initialised.
    """
    if device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return model
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
                setattr(parent, name, JoinedBatchNorm(child))
    return model


class JoinedBatchNorm(nn.Module):
    """Batch norm over (N, C), (N, C, L) or (N, C, H, W) inputs on the CPU, joined over processes.

    The processes may have different numbers of elements. Gradients of weight and bias are those of the local batch, as
    in torch: the data-parallel wrapper averages them.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        super().__init__()
        if norm.momentum is None or not norm.affine or not norm.track_running_stats:
            raise ValueError(f"cannot join {norm}: it needs a weight, a bias and a fixed momentum")
        self.eps, self.momentum = norm.eps, norm.momentum
        self.weight, self.bias = norm.weight, norm.bias
        for name, buffer in norm.named_buffers():
            self.register_buffer(name, buffer)
        self.train(norm.training)

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training:
            affine = self.weight, self.bias
            return functional.batch_norm(inputs, self.running_mean, self.running_var, *affine, eps=self.eps)
        # In bfloat16, statistics would have three digits.
        values = inputs.float() if inputs.dtype == torch.bfloat16 else inputs
        elements, mean, variance = _join_statistics(values.detach())
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (elements / (elements - 1)), self.momentum)
        inverse_std = (variance + self.eps).rsqrt()
        normalised = _Normalise.apply(values, self.weight, self.bias, mean, inverse_std, elements)
        return normalised.to(inputs.dtype)


def _join_statistics(inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Elements per channel, their mean and their biased variance, over all processes and alike on each.

    The number of elements is a float64 scalar: as a number it would end the graph that torch.compile makes.
    """
    variance, mean = torch.var_mean(inputs, _all_but_channels(inputs), correction=0)
    count = mean.new_tensor([inputs.numel() // inputs.size(1)])
    local = torch.cat((mean, variance, count)).double()
    gathered = [torch.empty_like(local) for _ in range(dist.get_world_size())]
    dist.all_gather(gathered, local)
    means, variances, counts = torch.stack(gathered).split((mean.numel(), mean.numel(), 1), dim=1)
    elements = counts.sum()
    shares = counts / elements
    joined_mean = (shares * means).sum(dim=0)
    joined_variance = (shares * (variances + (means - joined_mean).square())).sum(dim=0)
    return elements, joined_mean.to(inputs.dtype), joined_variance.to(inputs.dtype)


class _Normalise(torch.autograd.Function):
    """weight * (inputs - mean) * inverse_std + bias, with mean and inverse_std functions of all inputs."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, inverse_std: Tensor, elements: Tensor
    ) -> Tensor:
        ctx.save_for_backward(inputs, weight, mean, inverse_std, elements)
        scale = weight * inverse_std
        return torch.addcmul(_spread(bias - mean * scale, inputs), inputs, _spread(scale, inputs))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight, mean, inverse_std, elements = ctx.saved_tensors
        normalised = (inputs - _spread(mean, inputs)) * _spread(inverse_std, inputs)
        axes = _all_but_channels(inputs)
        for_bias, for_weight = gradient.sum(axes), (gradient * normalised).sum(axes)
        joined = torch.stack((for_bias, for_weight))
        dist.all_reduce(joined)
        through_mean, through_std = (_spread(total / elements, inputs) for total in joined)
        centred = gradient - through_mean - normalised * through_std
        for_inputs = centred * _spread(weight * inverse_std, inputs)
        return for_inputs, for_weight, for_bias, None, None, None


def _all_but_channels(inputs: Tensor) -> list[int]:
    return [axis for axis in range(inputs.dim()) if axis != 1]


def _spread(values: Tensor, inputs: Tensor) -> Tensor:
    """Values per channel, shaped to broadcast over ``inputs``."""
    return values.view(1, -1, *(1 for _ in range(inputs.dim() - 2)))
