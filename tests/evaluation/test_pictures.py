from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from pointrend.datasets.classes import CLASSES
from pointrend.evaluation.inference import Segmentation
from pointrend.evaluation.pictures import (
    CAPTION,
    GAP,
    NOT_LABELLED,
    PANEL_HEIGHT,
    PAPER,
    POINT,
    SHEET_WIDTH,
    colour,
    overlaid,
    side_by_side,
)

VOC = CLASSES["voc"]


def sheet(height: int, width: int, label_value: int = 1, dataset: str = "voc") -> np.ndarray:
    """The sheet of a blue picture labelled ``label_value``, coarsely taken for 2, refined to 3, refined at the top."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = 200
    marks = np.zeros((height, width), bool)
    marks[: height // 2] = True
    maps = [np.full((height, width), value, np.uint8) for value in (label_value, 2, 3)]
    png = side_by_side(picture, maps[0], Segmentation(maps[2], maps[1], marks), CLASSES[dataset])
    assert png == side_by_side(picture, maps[0], Segmentation(maps[2], maps[1], marks), CLASSES[dataset])
    return np.asarray(Image.open(io.BytesIO(png)))


def test_what_is_no_class_is_white() -> None:
    painted = colour(np.array([[0, 1], [254, 255]], np.uint8), VOC.palette)
    assert painted.tolist() == [[[0, 0, 0], [128, 0, 0]], [[255, 255, 255], [255, 255, 255]]]


@pytest.mark.parametrize("dataset", CLASSES)
def test_no_palette_has_the_colour_of_what_is_no_class(dataset: str) -> None:
    assert NOT_LABELLED not in {tuple(entry) for entry in CLASSES[dataset].palette.tolist()}


def test_panels_stand_in_order() -> None:
    found = sheet(30, 40)
    panel_width = PANEL_HEIGHT * 40 // 30
    middle = [GAP + panel_width // 2 + i * (panel_width + GAP) for i in range(5)]
    low = CAPTION + PANEL_HEIGHT - 10
    expected = [(0, 0, 200), *(tuple(VOC.palette[i].tolist()) for i in (1, 2, 3))]
    assert [tuple(found[low, x].tolist()) for x in middle[:4]] == expected
    assert tuple(found[CAPTION + 10, middle[4]].tolist()) == POINT
    grey = found[low, middle[4]].tolist()
    assert len(set(grey)) == 1
    assert found.shape[1] <= SHEET_WIDTH


def test_wide_panels_take_two_rows() -> None:
    found = sheet(20, 40)
    assert found.shape[1] == GAP + 3 * (2 * PANEL_HEIGHT + GAP)
    second_row = CAPTION + PANEL_HEIGHT + GAP + CAPTION
    assert tuple(found[second_row + PANEL_HEIGHT - 10, GAP + 100].tolist()) == tuple(VOC.palette[3].tolist())
    assert tuple(found[second_row + 100, -100].tolist()) == PAPER


@pytest.mark.parametrize("size", [(3, 400), (400, 3), (1, 1)])
def test_extreme_sizes_can_be_drawn(size: tuple[int, int]) -> None:
    assert max(sheet(*size).shape) <= SHEET_WIDTH


def test_unlabelled_pixels_are_named_in_the_legend() -> None:
    assert not np.array_equal(sheet(30, 40, 255)[-20:], sheet(30, 40, 1)[-20:])


def test_a_long_legend_takes_more_lines() -> None:
    labels = np.arange(150, dtype=np.uint8).reshape(10, 15)
    maps = Segmentation(labels, labels, np.zeros((10, 15), bool))
    png = side_by_side(np.zeros((10, 15, 3), np.uint8), labels, maps, CLASSES["ade20k"])
    assert Image.open(io.BytesIO(png)).height > sheet(10, 15).shape[0] + 60


def test_an_overlay_mixes_photo_and_colour() -> None:
    picture = np.array([[[200, 100, 0]]], np.uint8)
    mixed = overlaid(picture, np.array([[1]], np.uint8), VOC.palette)
    assert mixed.tolist() == [[[round(0.55 * 128), 45, 90]]]
