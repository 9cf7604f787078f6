"""A training sample as upstream makes it, from files to floats, one array operation after the other.

The reference for ours: benchmarks time it, tests compare the bytes. Labels are floats from the start, raw values
become train ids one by one, every try of a crop copies the whole image, and colours change in float32.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pointrend.datasets.classes import IGNORE, DatasetClasses
from pointrend.model.inputs import MEAN, STD, resize_shape
from pointrend.training.transforms import CROP_TRIES, Draws


def plain_sample(
    image_file: Path,
    mask_file: Path,
    classes: DatasetClasses,
    base_size: tuple[int, int],
    crop_size: tuple[int, int],
    draws: Draws,
) -> tuple[Tensor, Tensor]:
    """Image (3, H, W) and label (H, W), both float32, of an image and its mask of raw label values."""
    image, label = _read(image_file, mask_file, classes)
    image, label = augmented(image.copy(), label.copy(), base_size, crop_size, draws)
    image = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_BGR2RGB)
    image = (image - MEAN) * (1 / STD)
    return pad(torch.from_numpy(image.transpose(2, 0, 1).copy()), torch.from_numpy(label.copy()), crop_size)


def augmented(
    image: Any, label: Any, base_size: tuple[int, int], crop_size: tuple[int, int], draws: Draws
) -> tuple[Any, Any]:
    """Steps 1 to 4 of RECIPE section 3: uint8 image (h, w, 3), BGR, and its label (h, w), before they are padded."""
    height, width = resize_shape(label.shape, base_size, 0.5 + 1.5 * draws.random_sample())
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    label = cv2.resize(label, (width, height), interpolation=cv2.INTER_NEAREST)
    image, label = _crop(image, label, crop_size, draws)
    if draws.random_sample() <= 0.5:
        image, label = np.flip(image.copy(), 1), np.flip(label.copy(), 1)
    return _distort(image.copy(), draws), label


def _read(image_file: Path, mask_file: Path, classes: DatasetClasses) -> tuple[Any, Any]:
    image = cv2.imread(str(image_file))
    raw: Any = cv2.imread(str(mask_file), cv2.IMREAD_GRAYSCALE)
    label = raw.astype(np.float32)
    for value, train_id in enumerate(classes.train_ids.tolist()):
        if not classes.forbidden[value]:
            label[raw == value] = train_id
    if (((label < 0) | (label >= len(classes.names))) & (label != IGNORE)).any():
        raise ValueError("the mask has a wrong label value")
    return image, label


def _crop(whole_image: Any, whole_label: Any, crop_size: tuple[int, int], draws: Draws) -> tuple[Any, Any]:
    height, width = (min(side, whole) for side, whole in zip(crop_size, whole_label.shape, strict=True))
    for _ in range(CROP_TRIES):
        image, label = whole_image.copy(), whole_label.copy()
        top = draws.randint(0, label.shape[0] - height + 1)
        left = draws.randint(0, label.shape[1] - width + 1)
        image, label = (pixels[top : top + height, left : left + width] for pixels in (image, label))
        values, counts = np.unique(label, return_counts=True)
        counts = counts[values != IGNORE]
        if len(counts) > 1 and counts.max() / counts.sum() < 0.75:
            break
    return (image, label) if len(counts) else (whole_image, whole_label)


def _distort(image: Any, draws: Draws) -> Any:
    if draws.randint(2):
        image = _changed(image, 1, draws.uniform(-32, 32))
    contrast_first = draws.randint(2)
    if contrast_first and draws.randint(2):
        image = _changed(image, draws.uniform(0.5, 1.5), 0)
    if draws.randint(2):
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        hsv[..., 1] = _changed(hsv[..., 1], draws.uniform(0.5, 1.5), 0)
        image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    if draws.randint(2):
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(int) + draws.randint(-18, 18)) % 180
        image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    if not contrast_first and draws.randint(2):
        image = _changed(image, draws.uniform(0.5, 1.5), 0)
    return image


def _changed(pixels: Any, factor: float, amount: float) -> Any:
    return np.clip(pixels.astype(np.float32) * factor + amount, 0, 255).astype(np.uint8)


def pad(image: Tensor, label: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    height, width = label.shape
    if (height > width and size[0] < size[1]) or (height < width and size[0] > size[1]):
        size = (size[1], size[0])
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    margins = (left, size[1] - width - left, top, size[0] - height - top)
    return functional.pad(image, margins, value=0.0), functional.pad(label, margins, value=float(IGNORE))
