"""One optimiser step, and what makes it fast without changing it (docs/performance.md)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pointrend.errors import MachineError
from pointrend.model.pointrend import PointDraws, PointRend
from pointrend.model.precision import allow_tf32, autocast
from pointrend.training.window import LOSSES

if TYPE_CHECKING:
    from pointrend.settings.recipe import Recipe
    from pointrend.training.distributed import Processes


class TrainStep:
    """Forward pass, backward pass and update of a model, over all processes.

    Nothing here waits for a GPU: losses come back as tensors on the device, copies to it are made from pinned memory.
    """

    def __init__(
        self, model: PointRend, optimizer: torch.optim.Optimizer, recipe: Recipe, processes: Processes
    ) -> None:
        self.optimizer, self.device, self.precision = optimizer, processes.device, recipe.precision
        self.layout = memory_format(recipe)
        allow_tf32(recipe.precision == "tf32")
        replica = DistributedDataParallel(model) if processes.count > 1 else model
        self.network: Callable[..., Any] = compiled(replica) if recipe.compile else replica

    def __call__(self, images: Tensor, labels: Tensor, draws: PointDraws) -> tuple[Tensor, Tensor]:
        """Losses in the order of :data:`LOSSES`, (3,), and whether a loss had nothing to be a mean over, scalar bool.

        ``images`` (B, 3, H, W), ``labels`` (B, H, W), int64, and ``draws`` may be anywhere.
        """
        images = self.moved(images).contiguous(memory_format=self.layout)
        labels, on_device = self.moved(labels), PointDraws(*map(self.moved, draws))
        self.optimizer.zero_grad(set_to_none=True)
        with autocast(self.precision, self.device):
            losses = self.network(images, labels, on_device)
        losses["loss"].backward()
        self.optimizer.step()
        values = torch.stack([losses[name].detach() for name in LOSSES])
        return values, losses["valid_pixels"] == 0

    def moved(self, tensor: Tensor) -> Tensor:
        """A tensor on the device of the step."""
        if self.device.type == "cuda" and not tensor.is_cuda:
            tensor = tensor.pin_memory()  # From pageable memory the copy would wait for the GPU.
        return tensor.to(self.device, non_blocking=True)


def memory_format(recipe: Recipe) -> torch.memory_format:
    """How the network's four-dimensional tensors lie in memory."""
    return torch.channels_last if recipe.channels_last else torch.contiguous_format


def compiled(network: nn.Module) -> Callable[..., Any]:
    """The network through torch.compile, which fuses what lies between the convolutions.

    Raises:
        MachineError: there is no C++ compiler.
    """
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        do = "install it (Debian: apt-get install g++), name another one in CXX, or set compile: false"
        raise MachineError(f"compile: true needs a C++ compiler, and {compiler} is not there", do)
    return torch.compile(network)
