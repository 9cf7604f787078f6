"""What happens to a picture and its label between the store and the network (RECIPE sections 3 and 4).

A picture is uint8 (H, W, 3) in OpenCV's BGR order; a label is uint8 (H, W) of train ids with 255 for ignored pixels.
Random numbers come from any object with the methods of numpy's legacy ``RandomState``, and are drawn in the published
order, so that a list of draws can be replayed.

:class:`TrainTransform` works step by step, as published; :mod:`pointrend.datasets.windows` has the quick way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from pointrend.datasets.classes import IGNORE

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Window = tuple[slice, slice]
"""Rows and columns of a picture."""

MEAN: Floats = np.array([123.675, 116.28, 103.53], dtype=np.float32)
"""Mean of ImageNet's pictures in grey levels, RGB order."""
STD: Floats = np.array([58.395, 57.12, 57.375], dtype=np.float32)
"""Standard deviation of ImageNet's pictures in grey levels, RGB order."""

CROP_TRIES = 10
GREY_LEVELS: Floats = np.arange(256, dtype=np.float32)
ALL_LEVELS: Bytes = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(1, 256, 3)
HUE, SATURATION = 0, 1
ALMOST_HALF = -0.5 + 2**-14
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
    window, cropped, labelled = choose_crop(label.shape, crop_size, max_class_share, draws, label.__getitem__)
    return (picture[window], cropped) if labelled else (picture, label)


def choose_crop(
    shape: Sequence[int],
    crop_size: tuple[int, int],
    max_class_share: float,
    draws: Draws,
    cut: Callable[[Window], Bytes],
) -> tuple[Window, Bytes, bool]:
    """The window that :func:`random_crop` chooses in a label of this shape, what it shows, and whether it is labelled.

    ``cut`` gives the label in a window, in any order of its pixels.
    """
    height, width = min(crop_size[0], shape[0]), min(crop_size[1], shape[1])
    for _ in range(CROP_TRIES):
        top = draws.randint(0, shape[0] - height + 1)
        left = draws.randint(0, shape[1] - width + 1)
        window = slice(top, top + height), slice(left, left + width)
        label = cut(window)
        if _is_mixed(label, max_class_share):
            break
    return window, label, bool((label != IGNORE).any())


def random_flip(picture: Bytes, label: Bytes, draws: Draws) -> tuple[Bytes, Bytes]:
    """Mirror a picture and its label left to right, every other time."""
    if draws.random_sample() <= 0.5:
        return _bytes(cv2.flip(picture, 1)), _bytes(cv2.flip(label, 1))
    return picture, label


def photometric_distortion(picture: Bytes, draws: Draws, at_once: bool = False) -> Bytes:
    """Change brightness, contrast, saturation and hue at random, each every other time.

    Every step starts and ends with whole grey levels, so each is a table of 256 entries. With ``at_once`` a picture
    whose saturation and hue both change is not turned back to whole RGB levels in between.
    """
    if draws.randint(2):
        picture = _brightened(picture, draws.uniform(-32, 32))
    contrast_first = bool(draws.randint(2))
    if contrast_first and draws.randint(2):
        picture = _contrasted(picture, draws.uniform(0.5, 1.5))
    changes: dict[int, Bytes] = {}
    if draws.randint(2):
        changes[SATURATION] = _grey_levels(GREY_LEVELS * np.float32(draws.uniform(0.5, 1.5)))
    if draws.randint(2):
        changes[HUE] = _grey_levels((GREY_LEVELS + draws.randint(-18, 18)) % 180)
    for tables in [changes] if at_once else [{channel: table} for channel, table in changes.items()]:
        picture = _map_hsv(picture, tables)
    if not contrast_first and draws.randint(2):
        picture = _contrasted(picture, draws.uniform(0.5, 1.5))
    return picture


def normalize(picture: Bytes) -> Floats:
    """Standardise a picture with ImageNet's mean and deviation: uint8 BGR to float32 RGB, both (H, W, 3)."""
    # A table lookup gives the same floats as arithmetic on the picture, in a fraction of the time.
    return np.asarray(cv2.LUT(picture, NORMALIZED_LEVELS[None, :, ::-1]), dtype=np.float32)[..., ::-1]


class TrainPixels(NamedTuple):
    """A training picture before it is normalised, padded to (H, W).

    ``picture`` is uint8 (H, W, 3), RGB; ``label`` uint8 (H, W); ``inside`` (top, left, bottom, right) is where the
    picture lies. Beside it the network must see 0, the mean colour, whatever the grey levels there are.
    """

    picture: Bytes
    label: Bytes
    inside: tuple[int, int, int, int]


def pad_to(picture: Bytes, label: Bytes, size: tuple[int, int]) -> TrainPixels:
    """Centre a picture (h, w, 3), BGR, and its label (h, w) in ``size`` (height, width); what stands out is cut off.

    The margin is ignored. A portrait picture in a landscape size, or the reverse, turns the size round.
    """
    height, width = label.shape
    if (height > width and size[0] < size[1]) or (height < width and size[0] > size[1]):
        size = (size[1], size[0])
    rows_out, rows_in = _centred(height, size[0])
    columns_out, columns_in = _centred(width, size[1])
    inside = rows_out.start, columns_out.start, rows_out.stop, columns_out.stop
    picture, label = _bytes(cv2.cvtColor(picture[rows_in, columns_in], cv2.COLOR_BGR2RGB)), label[rows_in, columns_in]
    if label.shape == size:
        return TrainPixels(picture, np.ascontiguousarray(label), inside)
    padded_picture = np.zeros((*size, 3), dtype=np.uint8)
    padded_picture[rows_out, columns_out] = picture
    padded_label = np.full(size, IGNORE, dtype=np.uint8)
    padded_label[rows_out, columns_out] = label
    return TrainPixels(padded_picture, padded_label, inside)


@dataclass(frozen=True)
class TrainTransform:
    """From a stored picture and label to a training sample, step by step as published.

    ``base_size`` is (long, short) side at scale 1 and ``crop_size`` (height, width), both in pixels. The result has
    the crop size, or that turned round where :func:`pad_to` does so.
    """

    base_size: tuple[int, int]
    crop_size: tuple[int, int]
    max_class_share: float = 0.75
    scale_range: tuple[float, float] = (0.5, 2.0)
    colours_at_once: ClassVar[bool] = False

    def __call__(self, picture: Bytes, label: Bytes, draws: Draws) -> TrainPixels:
        smallest, largest = self.scale_range
        scale = smallest + (largest - smallest) * draws.random_sample()
        picture, label = self.resize_and_crop(picture, label, scale, draws)
        picture, label = random_flip(picture, label, draws)
        return pad_to(photometric_distortion(picture, draws, self.colours_at_once), label, self.crop_size)

    def resize_and_crop(self, picture: Bytes, label: Bytes, scale: float, draws: Draws) -> tuple[Bytes, Bytes]:
        """A window of the picture and label resized to ``scale`` times the base size."""
        picture, label = resize(picture, label, self.base_size, scale)
        return random_crop(picture, label, self.crop_size, self.max_class_share, draws)


@dataclass(frozen=True)
class TestTransform:
    """From a picture of any size to the image (3, H, W), float32 RGB, that is scored: resized, never padded."""

    __test__ = False  # pytest would take the class for a test case
    base_size: tuple[int, int]

    def __call__(self, picture: Bytes) -> Floats:
        return np.ascontiguousarray(normalize(resize_picture(picture, self.base_size)).transpose(2, 0, 1))


def _is_mixed(label: Bytes, share: float) -> bool:
    """Whether every class has less than ``share`` of the labelled pixels; False where there are none.

    The classes that most of a few pixels have are counted one by one, until what is left is too little for any other.
    """
    labelled = label.size - int(np.count_nonzero(label == IGNORE))
    few = np.bincount(label[::32, ::32].ravel(), minlength=IGNORE + 1)[:IGNORE]
    most, left = 0, labelled
    for value in few.argsort()[:-4:-1].tolist():  # numbers of Python: NumPy's would turn the label into 64-bit integers
        count = int(np.count_nonzero(label == value))
        most, left = max(most, count), left - count
        if most >= share * labelled or left < share * labelled:
            return most < share * labelled
    return bool(cv2.calcHist([label], [0], None, [256], [0, 256]).ravel()[:IGNORE].max() < share * labelled)


def _grey_levels(values: Floats) -> Bytes:
    # The published runs truncate to whole grey levels; rounding would be half a level brighter on average.
    return values.clip(0, 255).astype(np.uint8)


def _brightened(picture: Bytes, amount: float) -> Bytes:
    level = np.full(4, math.floor(amount), dtype=np.float64)
    return _changed(picture, _grey_levels(GREY_LEVELS + np.float32(amount)), lambda p: cv2.add(p, level))


def _contrasted(picture: Bytes, factor: float) -> Bytes:
    # Rounding the product less almost a half is truncating it.
    table = _grey_levels(GREY_LEVELS * np.float32(factor))
    return _changed(picture, table, lambda p: cv2.convertScaleAbs(p, alpha=factor, beta=ALMOST_HALF))


def _changed(picture: Bytes, table: Bytes, vectorised: Callable[[Bytes], MatLike]) -> Bytes:
    """``picture`` with every grey level replaced by its entry in the table.

    ``vectorised`` does the same several times as quickly, but for a rounding error at some amounts; there the table is
    used.
    """
    same = np.array_equal(vectorised(ALL_LEVELS).ravel()[::3], table)
    return _bytes(vectorised(picture) if same else cv2.LUT(picture, table))


def _map_hsv(picture: Bytes, tables: Mapping[int, Bytes]) -> Bytes:
    """Look up some channels of a picture's hue, saturation and value; none leaves it as it is."""
    if not tables:
        return picture
    # The conversion codes are those for RGB although the picture is BGR, as in the published runs: hue runs backwards.
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
    for channel, table in tables.items():
        cv2.insertChannel(cv2.LUT(cv2.extractChannel(hsv, channel), table), hsv, channel)
    return _bytes(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def _interpolated(pixels: Bytes, shape: Sequence[int], method: int) -> Bytes:
    return _bytes(cv2.resize(pixels, (shape[1], shape[0]), interpolation=method))


def _bytes(pixels: MatLike) -> Bytes:
    return np.asarray(pixels, dtype=np.uint8)


def _centred(length: int, target: int) -> tuple[slice, slice]:
    """Where ``length`` pixels go in ``target`` pixels, and which of them."""
    margin = (target - length) // 2
    if margin >= 0:
        return slice(margin, margin + length), slice(0, length)
    return slice(0, target), slice(-margin, -margin + target)
