"""The optimiser of the runs (RECIPE section 10)."""

from __future__ import annotations

import torch
from torch import nn


def make_optimizer(model: nn.Module, lr: float, momentum: float, weight_decay: float) -> torch.optim.SGD:
    """SGD with one group of all parameters: norms and biases decay too, and no head has a rate of its own.

    Fused: one pass over a parameter, its gradient and its momentum, where they are (a CPU or a GPU).
    """
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay, fused=True)
