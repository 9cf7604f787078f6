import io

import numpy as np
import pytest
from PIL import Image

from pointrend.datasets.registry import classes_of
from pointrend.evaluation.pictures import (
    CAPTION,
    CAPTION_WIDTH,
    COLUMNS,
    GAP,
    NOT_LABELLED,
    PANEL_HEIGHT,
    PANEL_WIDTH,
    PAPER,
    POINT,
    WRONG,
    colour,
    contact_sheet,
    overlaid,
)
from pointrend.evaluation.segmenters import Segmentation
from tests.tiny import DATASETS

VOC = classes_of("voc")


def sheet(height: int, width: int, label_value: int = 1) -> np.ndarray:
    """The sheet of a blue image labelled ``label_value``, coarsely taken for 2, refined to 3, refined at the top."""
    image = np.full((height, width, 3), (200, 0, 0), np.uint8)
    marks = np.arange(height * width).reshape(height, width) < height // 2 * width
    label, coarse, refined = (np.full((height, width), value, np.uint8) for value in (label_value, 2, 3))
    png, again = (contact_sheet(image, label, Segmentation(refined, coarse, marks), VOC) for _ in range(2))
    assert png == again
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_pixels_of_no_class_are_white_which_is_in_no_palette():
    painted = colour(np.array([[0, 1], [254, 255]], np.uint8), VOC.palette)
    assert painted.tolist() == [[[0, 0, 0], [128, 0, 0]], [[255, 255, 255], [255, 255, 255]]]
    for dataset in DATASETS:
        assert list(NOT_LABELLED) not in classes_of(dataset).palette.tolist(), dataset


def test_panels_stand_in_order():
    found = sheet(30, 40)
    width, step = PANEL_HEIGHT * 40 // 30, CAPTION + PANEL_HEIGHT + GAP
    middle = [GAP + width // 2 + i * (width + GAP) for i in range(2)]
    low = [CAPTION + PANEL_HEIGHT - 10 + row * step for row in range(3)]
    panels = [[tuple(found[y, x].tolist()) for x in middle] for y in low]
    label, coarse, refined = (tuple(VOC.palette[i].tolist()) for i in (1, 2, 3))
    assert panels[:2] == [[(0, 0, 200), label], [coarse, refined]]
    assert len(set(panels[2][0])) == 1
    assert panels[2][1] == WRONG
    assert tuple(found[low[1] + 40, middle[0]].tolist()) == POINT
    assert found.shape[1] == GAP + COLUMNS * (width + GAP)


def test_what_has_no_label_is_not_wrong_and_named_in_the_legend():
    found = sheet(30, 40, 255)
    right_half = found[CAPTION + 2 * (CAPTION + PANEL_HEIGHT + GAP) :][:PANEL_HEIGHT, found.shape[1] // 2 :]
    assert not (right_half == WRONG).all(axis=-1).any()
    assert not np.array_equal(found[-20:], sheet(30, 40)[-20:])


def test_many_classes_have_their_exact_colours_and_a_long_legend():
    """The palette of a sheet holds 256 colours, of which ADE20K's classes may take 150."""
    labels = np.arange(150, dtype=np.uint8).reshape(10, 15)
    noise = np.random.default_rng(0).integers(0, 256, (10, 15, 3)).astype(np.uint8)
    maps = Segmentation(labels, labels, np.zeros((10, 15), bool))
    found = Image.open(io.BytesIO(contact_sheet(noise, labels, maps, classes_of("ade20k"))))
    assert found.mode == "P"
    assert found.height > sheet(10, 15).shape[0] + 60
    colours = {tuple(pixel) for pixel in np.asarray(found.convert("RGB")).reshape(-1, 3).tolist()}
    assert {tuple(entry) for entry in classes_of("ade20k").palette.tolist()} <= colours


def test_wide_panels_are_made_smaller():
    found = sheet(20, 80)
    assert found.shape[1] == GAP + COLUMNS * (PANEL_WIDTH + GAP)
    second_row = CAPTION + PANEL_WIDTH // 4 + GAP + CAPTION
    assert tuple(found[second_row + 10, GAP + 100].tolist()) == tuple(VOC.palette[2].tolist())
    assert tuple(found[second_row - 3, -100].tolist()) == PAPER


@pytest.mark.parametrize("size", [(3, 400), (400, 3), (1, 1)])
def test_extreme_sizes_can_be_drawn(size):
    height, width, _ = sheet(*size).shape
    assert height < 3 * (CAPTION + PANEL_HEIGHT + GAP) + 60
    assert GAP + COLUMNS * (CAPTION_WIDTH + GAP) <= width <= GAP + COLUMNS * (PANEL_WIDTH + GAP)


def test_an_overlay_mixes_photo_and_colour():
    picture = np.array([[[200, 100, 0]]], np.uint8)
    mixed = overlaid(picture, np.array([[1]], np.uint8), VOC.palette)
    assert mixed.tolist() == [[[round(0.55 * 128), 45, 90]]]
