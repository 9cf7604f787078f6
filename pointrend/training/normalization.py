"""Grey levels to what the network sees, for a whole batch on its device (RECIPE section 3)."""

from __future__ import annotations

import torch
from torch import Tensor

from pointrend.training.transforms import MEAN, STD


def normalize_batch(pictures: Tensor, inside: Tensor) -> Tensor:
    """Standardise pictures with ImageNet's mean and deviation.

    Args:
        pictures: uint8 (B, H, W, 3), RGB, on any device.
        inside: int (B, 4) on the CPU: top, left, bottom, right of each picture within its padding.

    Returns:
        float32 (B, 3, H, W), RGB, channels last in memory, on the same device; 0 beside the pictures.
    """
    device = pictures.device
    height, width = pictures.shape[1:3]
    # Whole lines of pixels at a time: on a CPU several times as quick as three values at a time.
    mean, scale = (torch.from_numpy(values).to(device).repeat(width) for values in (MEAN, 1 / STD))
    images = pictures.flatten(2).float().sub_(mean).mul_(scale).view(pictures.shape)
    if (inside != torch.tensor([0, 0, height, width])).any():
        images.masked_fill_(~_inside(inside.to(device), height, width)[..., None], 0)
    return images.permute(0, 3, 1, 2)


def _inside(boxes: Tensor, height: int, width: int) -> Tensor:
    top, left, bottom, right = boxes.T[..., None]
    rows, columns = (torch.arange(length, device=boxes.device) for length in (height, width))
    return ((rows >= top) & (rows < bottom))[:, :, None] & ((columns >= left) & (columns < right))[:, None, :]
