"""Which arithmetic the network uses: float32 everywhere, TF32 products on a GPU, or bfloat16."""

from __future__ import annotations

import torch


def allow_tf32(allowed: bool) -> None:
    """Whether a GPU may round the factors of float32 products to TF32. torch by itself allows it in convolutions."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Where the forward pass of a training step takes place; ``precision`` as in params.yaml.

    With bf16, convolutions and products are computed in bfloat16; weights, losses and the optimiser stay float32.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
