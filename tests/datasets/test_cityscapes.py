"""Cityscapes: pairs from two archives, labelIds to train ids, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cityscapesscripts.helpers.labels import labels as official_labels

from pointrend.datasets.cityscapes import CityscapesSource
from pointrend.datasets.prepare.samples import Sample
from pointrend.datasets.registry import classes_of
from pointrend.errors import DatasetError
from tests.datasets.layouts import Members, cityscapes_members, encoded, pixels, read_samples, values, write_archives

OFFICIAL = [label for label in official_labels if label.id >= 0]


@pytest.fixture
def members() -> tuple[Members, Members]:
    return cityscapes_members()


def read(folder: Path, members: tuple[Members, Members]) -> dict[str, dict[str, Sample]]:
    names = ("leftImg8bit_trainvaltest.zip", "gtFine_trainvaltest.zip")
    return read_samples(CityscapesSource(write_archives(folder, dict(zip(names, members, strict=True)))), "cityscapes")


def test_ids_are_city_and_name_sorted_without_the_test_split(tmp_path: Path, members: tuple[Members, Members]) -> None:
    splits = read(tmp_path, members)
    assert {split: list(samples) for split, samples in splits.items()} == {
        "train": ["aachen/aachen_1", "aachen/aachen_2", "ulm/ulm_1"],
        "val": ["lindau/lindau_1"],
    }


def test_picture_and_mask_belong_together(tmp_path: Path, members: tuple[Members, Members]) -> None:
    sample = read(tmp_path, members)["train"]["aachen/aachen_1"]
    raw = values(2, [0, 3, 7, 26, 33])
    np.testing.assert_array_equal(sample.picture, pixels(2)[..., ::-1])
    np.testing.assert_array_equal(sample.label, np.select([raw == 7, raw == 26, raw == 33], [0, 13, 18], 255))


@pytest.mark.parametrize(
    ("archive", "member", "error"),
    [
        (1, "gtFine/val/lindau/lindau_1_gtFine_labelIds.png", "lindau/lindau_1: the picture has no mask"),
        (0, "leftImg8bit/train/ulm/ulm_1_leftImg8bit.png", "ulm/ulm_1: the mask has no picture"),
    ],
)
def test_a_picture_or_a_mask_alone_is_an_error(
    tmp_path: Path, members: tuple[Members, Members], archive: int, member: str, error: str
) -> None:
    del members[archive][member]
    with pytest.raises(DatasetError, match=f"^{error}; .* fetch it again"):
        read(tmp_path, members)


@pytest.mark.parametrize("value", [34, 255])
def test_a_label_value_outside_the_table_is_an_error(
    tmp_path: Path, members: tuple[Members, Members], value: int
) -> None:
    members[1]["gtFine/train/ulm/ulm_1_gtFine_labelIds.png"] = encoded(values(0, [7, value]))
    with pytest.raises(DatasetError, match=f"^ulm/ulm_1: the mask has label value {value}, not one of Cityscapes"):
        read(tmp_path, members)


def test_train_ids_names_and_colours_are_the_official_ones() -> None:
    classes = classes_of("cityscapes")
    assert {label.id: label.trainId for label in OFFICIAL} == dict(enumerate(classes.train_ids[:34].tolist()))
    scored = sorted((label for label in OFFICIAL if label.trainId != 255), key=lambda label: label.trainId)
    assert classes.names == tuple(label.name for label in scored)
    assert classes.palette.tolist() == [list(label.color) for label in scored]
