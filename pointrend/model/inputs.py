"""From an image to the network's input, in training and in scoring (RECIPE sections 3 and 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

# Mean and standard deviation of ImageNet's images in grey levels, RGB.
MEAN: Floats = np.array([123.675, 116.28, 103.53], dtype=np.float32)
STD: Floats = np.array([58.395, 57.12, 57.375], dtype=np.float32)


def resize_shape(shape: Sequence[int], base_size: tuple[int, int], scale: float) -> tuple[int, int]:
    """(height, width) of an image resized to fit into the scaled base size (long, short) with its proportions kept.

    A side has at least one pixel: an image of 20,000 by 1 pixels would otherwise have none.
    """
    (height, width), (long_side, short_side) = shape[:2], (int(side * scale) for side in base_size)
    factor = min(long_side / max(height, width), short_side / min(height, width))
    return max(1, int(height * factor + 0.5)), max(1, int(width * factor + 0.5))


@dataclass(frozen=True)
class TestTransform:
    """From an image of any size, BGR, to the float32 image (3, H, W), RGB, that is scored: resized, never padded."""

    __test__ = False  # pytest would take the class for a test case
    base_size: tuple[int, int]

    def __call__(self, image: Bytes) -> Floats:
        height, width = resize_shape(image.shape, self.base_size, 1.0)
        rgb = cv2.cvtColor(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), cv2.COLOR_BGR2RGB)
        inside = torch.tensor([[0, 0, height, width]])
        return normalize_batch(torch.from_numpy(rgb[None]), inside)[0].contiguous().numpy()


def normalize_batch(images: Tensor, inside: Tensor) -> Tensor:
    """Standardise images with ImageNet's mean and standard deviation.

    Args:
        images: uint8 (B, H, W, 3), RGB, on any device.
        inside: int (B, 4) on the CPU: top, left, bottom, right of each image within its padding.

    Returns:
        float32 (B, 3, H, W), RGB, channels last in memory, on the same device; 0 beside the images.
    """
    device = images.device
    height, width = images.shape[1:3]
    # Whole rows of pixels at a time: on a CPU several times as fast as three values at a time.
    mean, scale = (torch.from_numpy(values).to(device, non_blocking=True).repeat(width) for values in (MEAN, 1 / STD))
    floats = images.flatten(2).float().sub_(mean).mul_(scale).view(images.shape)
    if (inside != torch.tensor([0, 0, height, width])).any():
        floats.masked_fill_(~_inside(inside.to(device, non_blocking=True), height, width)[..., None], 0)
    return floats.permute(0, 3, 1, 2)


def _inside(boxes: Tensor, height: int, width: int) -> Tensor:
    top, left, bottom, right = boxes.T[..., None]
    rows, columns = (torch.arange(length, device=boxes.device) for length in (height, width))
    return ((rows >= top) & (rows < bottom))[:, :, None] & ((columns >= left) & (columns < right))[:, None, :]
