"""From a stored image and its label to a training sample: the published steps, byte for byte (RECIPE section 3).

An image is uint8 (H, W, 3), BGR in the store and RGB once it is cropped; a label is uint8 (H, W), train ids, 255
ignored. Random numbers are drawn in the published order, so that a list of draws can be replayed.

Only what ends up in the crop is computed. :mod:`benchmarks.plain_loader` takes the published steps one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from pointrend.datasets.classes import IGNORE
from pointrend.model.inputs import Bytes, Floats, resize_shape

Shape = tuple[int, int]
Window = tuple[slice, slice]  # rows and columns of an image

CROP_TRIES = 10
GREY_LEVELS: Floats = np.arange(256, dtype=np.float32)
ALL_LEVELS: Bytes = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(1, 256, 3)
HUE, SATURATION = 0, 1


class Draws(Protocol):
    """The part of ``numpy.random.RandomState`` that the transforms draw from."""

    def random_sample(self) -> float: ...

    def randint(self, low: int, high: int | None = None, /) -> int: ...

    def uniform(self, low: float, high: float, /) -> float: ...


class TrainPixels(NamedTuple):
    """A training image before it is normalised, padded to (H, W).

    ``image`` is uint8 (H, W, 3), RGB; ``label`` uint8 (H, W); ``inside`` (top, left, bottom, right) is where the image
    is. Beside it the network must see 0, the mean colour, whatever the grey levels there.
    """

    image: Bytes
    label: Bytes
    inside: tuple[int, int, int, int]


@dataclass(frozen=True)
class TrainTransform:
    """From a stored image and label to a training sample.

    ``base_size`` is (long, short) side at scale 1 and ``crop_size`` (height, width), both in pixels. The result has
    the crop size, with its sides swapped where :func:`pad_to` does so.
    """

    base_size: Shape
    crop_size: Shape
    max_class_share: float = 0.75
    scale_range: tuple[float, float] = (0.5, 2.0)

    def __call__(self, image: Bytes, label: Bytes, draws: Draws, out: Bytes | None = None) -> TrainPixels:
        """The sample; its image is ``out`` if that is given and the crop fills it."""
        smallest, largest = self.scale_range
        scale = smallest + (largest - smallest) * draws.random_sample()
        shape = resize_shape(label.shape, self.base_size, scale)
        window, label = random_crop(label, shape, self.crop_size, self.max_class_share, draws)
        image, label = random_flip(resized_window(image, shape, window), label, draws, out)
        photometric_distortion(image, draws)
        return pad_to(image, label, self.crop_size)


def random_crop(
    label: Bytes, shape: Shape, crop_size: Shape, max_class_share: float, draws: Draws
) -> tuple[Window, Bytes]:
    """Choose a window of a label resized to ``shape`` by OpenCV's classic nearest rule; what the label shows there.

    It is at a random place where the largest class has less than ``max_class_share`` of the labelled pixels. The last
    of ten tries is kept whatever it shows, unless it has no labelled pixel: then the window is the whole label. A side
    shorter than ``crop_size`` (height, width) stays as it is.
    """
    rows, columns = (_nearest(*lengths) for lengths in zip(label.shape, shape, strict=True))
    height, width = min(crop_size[0], shape[0]), min(crop_size[1], shape[1])
    for _ in range(CROP_TRIES):
        top = draws.randint(0, shape[0] - height + 1)
        left = draws.randint(0, shape[1] - width + 1)
        window = slice(top, top + height), slice(left, left + width)
        turned = _gathered(label, rows[window[0]], columns[window[1]])
        if is_mixed(turned, max_class_share):
            break
    else:
        if (turned == IGNORE).all():
            window, turned = (slice(0, shape[0]), slice(0, shape[1])), _gathered(label, rows, columns)
    return window, _bytes(cv2.transpose(turned))


def is_mixed(label: Bytes, share: float) -> bool:
    """Whether every class has less than ``share`` of the labelled pixels; False if there are none.

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


def resized_window(image: Bytes, shape: Shape, window: Window) -> Bytes:
    """What ``window`` shows of an image resized bilinearly, without antialiasing, to ``shape``.

    OpenCV's resize takes pixel i from (i + 0.5) r - 0.5, with r the ratio of the sides, so nothing further down or to
    the right counts: the image is cut there. A cut above or to the left would change the rounding.
    """
    fy, fx = shape[0] / image.shape[0], shape[1] / image.shape[1]
    bottom, right = (math.ceil((side.stop + 1) / factor) + 1 for side, factor in zip(window, (fy, fx), strict=True))
    corner = image[:bottom, :right]
    resized = cv2.resize(corner, None, fx=fx, fy=fy, interpolation=cv2.INTER_LINEAR)
    if resized.shape == corner.shape:  # OpenCV copies an image whose size does not change
        resized = cv2.resize(image, shape[::-1], interpolation=cv2.INTER_LINEAR)
    return _bytes(resized)[window]


def random_flip(image: Bytes, label: Bytes, draws: Draws, out: Bytes | None = None) -> tuple[Bytes, Bytes]:
    """Mirror a BGR image and its label left to right, every other time; the image comes back RGB either way.

    It is ``out`` if that is given and has the image's shape.
    """
    if out is None or out.shape != image.shape:
        out = np.empty(image.shape, np.uint8)
    if draws.random_sample() > 0.5:
        cv2.cvtColor(image, cv2.COLOR_BGR2RGB, out)
        return out, label
    # Reversing the bytes of a row mirrors its pixels and turns each of them from BGR to RGB.
    cv2.flip(image.reshape(len(image), -1), 1, out.reshape(len(image), -1))
    return out, _bytes(cv2.flip(label, 1))


def photometric_distortion(image: Bytes, draws: Draws) -> None:
    """Change brightness, contrast, saturation and hue of an RGB image in place at random, each every other time.

    Every step starts and ends with whole grey levels, so each is a table of 256 entries.
    """
    if draws.randint(2):
        amount = draws.uniform(-32, 32)
        level = np.full(4, math.floor(amount), dtype=np.float64)
        _change(image, GREY_LEVELS + np.float32(amount), lambda pixels: cv2.add(pixels, level, pixels))
    contrast_first = bool(draws.randint(2))
    if contrast_first and draws.randint(2):
        _contrast(image, draws.uniform(0.5, 1.5))
    if draws.randint(2):
        _map_hsv(image, SATURATION, GREY_LEVELS * np.float32(draws.uniform(0.5, 1.5)))
    if draws.randint(2):
        _map_hsv(image, HUE, (GREY_LEVELS + draws.randint(-18, 18)) % 180)
    if not contrast_first and draws.randint(2):
        _contrast(image, draws.uniform(0.5, 1.5))


def pad_to(image: Bytes, label: Bytes, size: Shape) -> TrainPixels:
    """Centre an image (h, w, 3) and its label (h, w) in ``size`` (height, width); what exceeds it is cut off.

    The margin is ignored. For a portrait image in a landscape size, or the reverse, the sides of the size are swapped.
    """
    height, width = label.shape
    if (height > width and size[0] < size[1]) or (height < width and size[0] > size[1]):
        size = (size[1], size[0])
    rows_out, rows_in = _centred(height, size[0])
    columns_out, columns_in = _centred(width, size[1])
    inside = rows_out.start, columns_out.start, rows_out.stop, columns_out.stop
    if label.shape == size:
        return TrainPixels(image, label, inside)
    padded = TrainPixels(np.zeros((*size, 3), dtype=np.uint8), np.full(size, IGNORE, dtype=np.uint8), inside)
    padded.image[rows_out, columns_out] = image[rows_in, columns_in]
    padded.label[rows_out, columns_out] = label[rows_in, columns_in]
    return padded


def _nearest(length: int, resized: int) -> NDArray[np.intp]:
    """Which of ``length`` pixels OpenCV's classic nearest rule takes for each of ``resized`` ones."""
    places = np.arange(length, dtype=np.int32)[None]
    return cv2.resize(places, (resized, 1), interpolation=cv2.INTER_NEAREST)[0].astype(np.intp)


def _gathered(label: Bytes, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Bytes:
    """``label[rows][:, columns].T`` for ascending rows and columns, whole lines at a time."""
    first = columns[0]
    return _bytes(cv2.transpose(label[rows, first : columns[-1] + 1]))[columns - first]


def _grey_levels(values: Floats) -> Bytes:
    # The published runs truncate to whole grey levels; rounding would be half a level brighter on average.
    return values.clip(0, 255).astype(np.uint8)


def _contrast(image: Bytes, factor: float) -> None:
    beta = 2**-14 - 0.5  # rounding the product less almost a half is truncating it
    _change(image, GREY_LEVELS * np.float32(factor), lambda pixels: cv2.convertScaleAbs(pixels, pixels, factor, beta))


def _change(image: Bytes, levels: Floats, vectorised: Callable[[Bytes], object]) -> None:
    """Replace every grey level by its entry in ``levels``: several times as fast where ``vectorised`` does the same."""
    table, found = _grey_levels(levels), ALL_LEVELS.copy()
    vectorised(found)
    if np.array_equal(found.ravel()[::3], table):
        vectorised(image)
    else:
        cv2.LUT(image, table, image)


def _map_hsv(image: Bytes, channel: int, levels: Floats) -> None:
    """Replace the levels of one channel of an image's hue, saturation and value."""
    # Codes for the other order of the channels, as in the published runs: hue runs backwards.
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    cv2.insertChannel(cv2.LUT(cv2.extractChannel(hsv, channel), _grey_levels(levels)), hsv, channel)
    cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR, image)


def _bytes(pixels: MatLike) -> Bytes:
    return np.asarray(pixels, dtype=np.uint8)


def _centred(length: int, target: int) -> tuple[slice, slice]:
    """Where ``length`` pixels go in ``target`` pixels, and which of them."""
    margin = (target - length) // 2
    if margin >= 0:
        return slice(margin, margin + length), slice(0, length)
    return slice(0, target), slice(-margin, -margin + target)
