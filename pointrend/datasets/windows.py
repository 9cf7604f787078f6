"""What a resized picture shows in a window, without resizing the rest of it.

The crop is chosen on the label alone, and only the chosen window of the picture is interpolated, with OpenCV's own
resize. Boxes and labels equal those of the step-by-step way; grey levels differ from it by at most 1, before the
colours are changed (tests/datasets/test_windows.py says how often).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from pointrend.training.transforms import Bytes, Draws, TrainTransform, Window, choose_crop, resize, resize_shape

PHASE_TOLERANCE = 1 / 640
"""In pixels of the source. Along both axes and with neighbours that differ by 255 grey levels it moves a value by less
than 0.8 levels, which leaves OpenCV's fixed-point weights (1/2048) their share of a whole one."""


@dataclass(frozen=True)
class WindowTransform(TrainTransform):
    """As :class:`TrainTransform`, with the same draws, but only what ends up in the crop is ever resized."""

    colours_at_once: ClassVar[bool] = True

    def resize_and_crop(self, picture: Bytes, label: Bytes, scale: float, draws: Draws) -> tuple[Bytes, Bytes]:
        height, width = label.shape
        shape = resize_shape(height, width, *self.base_size, scale)
        rows, columns = nearest(height, shape[0]), nearest(width, shape[1])

        def cut(window: Window) -> Bytes:
            return gather_turned(label, rows[window[0]], columns[window[1]])

        window, turned, labelled = choose_crop(shape, self.crop_size, self.max_class_share, draws, cut)
        if not labelled:  # hardly ever, and then the whole picture is wanted
            return resize(picture, label, self.base_size, scale)
        return resized_window(picture, shape, window), np.asarray(cv2.transpose(turned), dtype=np.uint8)


def nearest(length: int, resized: int) -> NDArray[np.intp]:
    """Which of ``length`` pixels OpenCV's classic nearest rule takes for each of ``resized`` ones: int (resized,)."""
    places = np.arange(length, dtype=np.int32)[None]
    return cv2.resize(places, (resized, 1), interpolation=cv2.INTER_NEAREST)[0].astype(np.intp)


def gather_turned(label: Bytes, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Bytes:
    """``label[rows][:, columns].T`` for ascending rows and columns, whole lines at a time."""
    first = columns[0]
    return np.asarray(cv2.transpose(label[rows, first : columns[-1] + 1])[columns - first], dtype=np.uint8)


def resized_window(picture: Bytes, shape: tuple[int, int], window: Window) -> Bytes:
    """What ``window`` shows of the picture resized bilinearly to ``shape``, uint8 (h, w, 3).

    OpenCV's resize maps pixel i to (i + 0.5) r - 0.5 with r the ratio of the sides, so it gives the same values when it
    starts at a place i where i r is a whole number of pixels: the nearest such place before the window is taken.
    """
    (rows, top), (columns, left) = (
        _source(picture.shape[axis], shape[axis], window[axis].start, window[axis].stop) for axis in (0, 1)
    )
    fy, fx = shape[0] / picture.shape[0], shape[1] / picture.shape[1]
    source = picture[rows, columns]
    resized = cv2.resize(source, None, fx=fx, fy=fy, interpolation=cv2.INTER_LINEAR)
    if resized.shape == source.shape and shape != picture.shape[:2]:
        # A size that rounds to what it was makes OpenCV copy instead of resizing.
        return np.asarray(cv2.resize(picture, shape[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.uint8)[window]
    height, width = (side.stop - side.start for side in window)
    return np.asarray(resized, dtype=np.uint8)[top : top + height, left : left + width]


def _source(length: int, resized: int, start: int, stop: int) -> tuple[slice, int]:
    """The pixels to resize along one axis for the places from ``start`` to ``stop``, and where these begin in them."""
    ratio = length / resized
    # The first place must not need the pixel before the first one that is resized.
    latest = start - math.ceil(max(0.0, 0.5 / ratio - 0.5))
    aligned = 0
    if latest > 0:
        places = np.arange(latest + 1) * ratio
        aligned = int(np.flatnonzero(np.abs(places - np.rint(places)) <= PHASE_TOLERANCE)[-1])
    first = round(aligned * ratio)
    # One pixel beyond the last one needed, and enough for OpenCV to round its number of places up to ours.
    needed = max(math.floor((stop - 0.5) * ratio - 0.5) + 3, first + math.ceil((stop - aligned + 0.5) * ratio))
    return slice(first, min(length, needed)), start - aligned
