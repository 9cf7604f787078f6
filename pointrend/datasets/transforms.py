"""What happens to a picture and its label between the store and the network (RECIPE sections 3 and 4).

Until :func:`normalize` a picture is uint8 (H, W, 3) in OpenCV's BGR order; a label is uint8 (H, W) of train ids with
255 for ignored pixels. Random numbers come from any object with the methods of numpy's legacy ``RandomState``, and
are drawn in the published order, so that a list of draws can be replayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from pointrend.datasets.classes import IGNORE

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

MEAN: Floats = np.array([123.675, 116.28, 103.53], dtype=np.float32)
"""Mean of ImageNet's pictures in grey levels, RGB order."""
STD: Floats = np.array([58.395, 57.12, 57.375], dtype=np.float32)
"""Standard deviation of ImageNet's pictures in grey levels, RGB order."""

CROP_TRIES = 10
GREY_LEVELS: Floats = np.arange(256, dtype=np.float32)
NORMALIZED_LEVELS: Floats = np.multiply(GREY_LEVELS[:, None] - MEAN, 1 / STD, dtype=np.float32)
"""What :func:`normalize` makes of each grey level: (256, 3), RGB order."""


class Draws(Protocol):
    """The part of ``numpy.random.RandomState`` that the transforms draw from."""

    def random_sample(self) -> float: ...

    def randint(self, low: int, high: int | None = None, /) -> int: ...

    def uniform(self, low: float, high: float, /) -> float: ...


def resize_shape(height: int, width: int, base_long: int, base_short: int, scale: float) -> tuple[int, int]:
    """(height, width) of a picture resized to fit into the scaled base size with its proportions kept.

    A side has one pixel at least: a picture of 20,000 by 1 pixels would have none.
    """
    long_side, short_side = int(base_long * scale), int(base_short * scale)
    factor = min(long_side / max(height, width), short_side / min(height, width))
    return max(1, int(height * factor + 0.5)), max(1, int(width * factor + 0.5))


def resize_picture(picture: Bytes, base_size: tuple[int, int], scale: float = 1.0) -> Bytes:
    """Resize a picture bilinearly, without antialiasing, to the scaled base size (long, short)."""
    height, width = picture.shape[:2]
    return _interpolated(picture, resize_shape(height, width, *base_size, scale), cv2.INTER_LINEAR)


def resize(picture: Bytes, label: Bytes, base_size: tuple[int, int], scale: float) -> tuple[Bytes, Bytes]:
    """Resize a picture as :func:`resize_picture` does, and its label by OpenCV's classic nearest rule."""
    picture = resize_picture(picture, base_size, scale)
    return picture, _interpolated(label, picture.shape[:2], cv2.INTER_NEAREST)


def random_crop(
    picture: Bytes, label: Bytes, crop_size: tuple[int, int], max_class_share: float, draws: Draws
) -> tuple[Bytes, Bytes]:
    """Crop at a random place where the largest class has less than ``max_class_share`` of the labelled pixels.

    The last of ten tries is kept whatever it shows, except that a picture comes back uncropped where that try has no
    labelled pixel at all. A side shorter than ``crop_size`` (height, width) stays as it is.
    """
    rows, columns = label.shape
    height, width = min(crop_size[0], rows), min(crop_size[1], columns)
    for _ in range(CROP_TRIES):
        top = draws.randint(0, rows - height + 1)
        left = draws.randint(0, columns - width + 1)
        window = np.s_[top : top + height, left : left + width]
        counts = np.bincount(label[window].ravel(), minlength=IGNORE + 1)[:IGNORE]
        if counts.max() < max_class_share * counts.sum():
            break
    if not counts.any():
        return picture, label
    return picture[window], label[window]


def random_flip(picture: Bytes, label: Bytes, draws: Draws) -> tuple[Bytes, Bytes]:
    """Mirror a picture and its label left to right, every other time."""
    if draws.random_sample() <= 0.5:
        return picture[:, ::-1], label[:, ::-1]
    return picture, label


def photometric_distortion(picture: Bytes, draws: Draws) -> Bytes:
    """Change brightness, contrast, saturation and hue at random, each every other time.

    Every step starts and ends with whole grey levels, so each is a table of 256 entries.
    """
    if draws.randint(2):
        picture = _look_up(picture, _grey_levels(GREY_LEVELS + np.float32(draws.uniform(-32, 32))))
    contrast_first = bool(draws.randint(2))
    if contrast_first:
        picture = _random_contrast(picture, draws)
    if draws.randint(2):
        picture = _map_hsv(picture, 1, _grey_levels(GREY_LEVELS * np.float32(draws.uniform(0.5, 1.5))))
    if draws.randint(2):
        picture = _map_hsv(picture, 0, _grey_levels((GREY_LEVELS + draws.randint(-18, 18)) % 180))
    if not contrast_first:
        picture = _random_contrast(picture, draws)
    return picture


def normalize(picture: Bytes) -> Floats:
    """Standardise a picture with ImageNet's mean and deviation: uint8 BGR to float32 RGB, both (H, W, 3)."""
    # A table lookup gives the same floats as arithmetic on the picture, in a fraction of the time.
    return np.asarray(cv2.LUT(picture, NORMALIZED_LEVELS[None, :, ::-1]), dtype=np.float32)[..., ::-1]


def pad_to(image: Floats, label: Bytes, size: tuple[int, int]) -> tuple[Floats, Bytes]:
    """Centre an image (3, h, w) and its label (h, w) in ``size`` (height, width); what stands out is cut off.

    The margin is 0, the mean colour after :func:`normalize`, and ignored. A portrait image in a landscape size, or
    the reverse, turns the size round.
    """
    height, width = label.shape
    if (height > width and size[0] < size[1]) or (height < width and size[0] > size[1]):
        size = (size[1], size[0])
    rows_out, rows_in = _centred(height, size[0])
    columns_out, columns_in = _centred(width, size[1])
    padded_image = np.zeros((len(image), *size), dtype=np.float32)
    padded_image[:, rows_out, columns_out] = image[:, rows_in, columns_in]
    padded_label = np.full(size, IGNORE, dtype=np.uint8)
    padded_label[rows_out, columns_out] = label[rows_in, columns_in]
    return padded_image, padded_label


@dataclass(frozen=True)
class TrainTransform:
    """From a stored picture and label to a training image (3, H, W), float32 RGB, and label (H, W), uint8.

    ``base_size`` is (long, short) side at scale 1 and ``crop_size`` (height, width), both in pixels. The result has
    the crop size, or that turned round where :func:`pad_to` does so.
    """

    base_size: tuple[int, int]
    crop_size: tuple[int, int]
    max_class_share: float = 0.75
    scale_range: tuple[float, float] = (0.5, 2.0)

    def __call__(self, picture: Bytes, label: Bytes, draws: Draws) -> tuple[Floats, Bytes]:
        smallest, largest = self.scale_range
        scale = smallest + (largest - smallest) * draws.random_sample()
        picture, label = resize(picture, label, self.base_size, scale)
        picture, label = random_crop(picture, label, self.crop_size, self.max_class_share, draws)
        picture, label = random_flip(picture, label, draws)
        picture = photometric_distortion(picture, draws)
        return pad_to(normalize(picture).transpose(2, 0, 1), label, self.crop_size)


@dataclass(frozen=True)
class TestTransform:
    """From a picture of any size to the image (3, H, W), float32 RGB, that is scored: resized, never padded."""

    __test__ = False  # pytest would take the class for a test case
    base_size: tuple[int, int]

    def __call__(self, picture: Bytes) -> Floats:
        return np.ascontiguousarray(normalize(resize_picture(picture, self.base_size)).transpose(2, 0, 1))


def _random_contrast(picture: Bytes, draws: Draws) -> Bytes:
    if draws.randint(2):
        return _look_up(picture, _grey_levels(GREY_LEVELS * np.float32(draws.uniform(0.5, 1.5))))
    return picture


def _grey_levels(values: Floats) -> Bytes:
    # The published runs truncate to whole grey levels; rounding would be half a level brighter on average.
    return values.clip(0, 255).astype(np.uint8)


def _map_hsv(picture: Bytes, channel: int, table: Bytes) -> Bytes:
    # The conversion codes are those for RGB although the picture is BGR, as in the published runs: hue runs backwards.
    tables = np.repeat(GREY_LEVELS.astype(np.uint8).reshape(1, 256, 1), 3, axis=2)
    tables[..., channel] = table
    hsv = _look_up(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV), tables)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), dtype=np.uint8)


def _look_up(picture: MatLike, tables: Bytes) -> Bytes:
    return np.asarray(cv2.LUT(picture, tables), dtype=np.uint8)


def _interpolated(pixels: Bytes, shape: Sequence[int], method: int) -> Bytes:
    return np.asarray(cv2.resize(pixels, (shape[1], shape[0]), interpolation=method), dtype=np.uint8)


def _centred(length: int, target: int) -> tuple[slice, slice]:
    """Where ``length`` pixels go in ``target`` pixels, and which of them."""
    margin = (target - length) // 2
    if margin >= 0:
        return slice(margin, margin + length), slice(0, length)
    return slice(0, target), slice(-margin, -margin + target)
