"""A training sample as upstream makes it, from files to floats, one array operation after the other.

What ours is timed against; a test holds the results equal. Labels are floats from the start, raw values become train
ids one by one, every try of a crop copies the whole picture, and colours change in float32.
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
from pointrend.training.transforms import CROP_TRIES, MEAN, STD, Draws, resize_shape


def plain_sample(
    picture_file: Path,
    mask_file: Path,
    classes: DatasetClasses,
    base_size: tuple[int, int],
    crop_size: tuple[int, int],
    draws: Draws,
) -> tuple[Tensor, Tensor]:
    """Image (3, H, W) and label (H, W), both float32, of a picture and its mask of raw label values."""
    picture, label = _read(picture_file, mask_file, classes)
    picture, label = picture.copy(), label.copy()
    height, width = label.shape
    height, width = resize_shape(height, width, *base_size, 0.5 + 1.5 * draws.random_sample())
    picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    label = cv2.resize(label, (width, height), interpolation=cv2.INTER_NEAREST)
    picture, label = _crop(picture, label, crop_size, draws)
    if draws.random_sample() <= 0.5:
        picture, label = np.flip(picture.copy(), 1), np.flip(label.copy(), 1)
    image = cv2.cvtColor(_distort(picture.copy(), draws).astype(np.float32), cv2.COLOR_BGR2RGB)
    image = (image - MEAN) * (1 / STD)
    return _pad(torch.from_numpy(image.transpose(2, 0, 1).copy()), torch.from_numpy(label.copy()), crop_size)


def _read(picture_file: Path, mask_file: Path, classes: DatasetClasses) -> tuple[Any, Any]:
    picture = cv2.imread(str(picture_file))
    raw: Any = cv2.imread(str(mask_file), cv2.IMREAD_GRAYSCALE)
    label = raw.astype(np.float32)
    for value, train_id in enumerate(classes.train_ids.tolist()):
        if not classes.forbidden[value]:
            label[raw == value] = train_id
    if (((label < 0) | (label >= len(classes.names))) & (label != IGNORE)).any():
        raise ValueError("the mask has a wrong label value")
    return picture, label


def _crop(whole_picture: Any, whole_label: Any, crop_size: tuple[int, int], draws: Draws) -> tuple[Any, Any]:
    height, width = (min(side, whole) for side, whole in zip(crop_size, whole_label.shape, strict=True))
    for _ in range(CROP_TRIES):
        picture, label = whole_picture.copy(), whole_label.copy()
        top = draws.randint(0, label.shape[0] - height + 1)
        left = draws.randint(0, label.shape[1] - width + 1)
        picture, label = (pixels[top : top + height, left : left + width] for pixels in (picture, label))
        values, counts = np.unique(label, return_counts=True)
        counts = counts[values != IGNORE]
        if len(counts) > 1 and counts.max() / counts.sum() < 0.75:
            break
    return (picture, label) if len(counts) else (whole_picture, whole_label)


def _distort(picture: Any, draws: Draws) -> Any:
    if draws.randint(2):
        picture = _changed(picture, 1, draws.uniform(-32, 32))
    contrast_first = draws.randint(2)
    if contrast_first and draws.randint(2):
        picture = _changed(picture, draws.uniform(0.5, 1.5), 0)
    if draws.randint(2):
        hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
        hsv[..., 1] = _changed(hsv[..., 1], draws.uniform(0.5, 1.5), 0)
        picture = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    if draws.randint(2):
        hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(int) + draws.randint(-18, 18)) % 180
        picture = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    if not contrast_first and draws.randint(2):
        picture = _changed(picture, draws.uniform(0.5, 1.5), 0)
    return picture


def _changed(pixels: Any, factor: float, amount: float) -> Any:
    return np.clip(pixels.astype(np.float32) * factor + amount, 0, 255).astype(np.uint8)


def _pad(image: Tensor, label: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    height, width = label.shape
    if (height > width and size[0] < size[1]) or (height < width and size[0] > size[1]):
        size = (size[1], size[0])
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    margins = (left, size[1] - width - left, top, size[0] - height - top)
    return functional.pad(image, margins, value=0.0), functional.pad(label, margins, value=float(IGNORE))
