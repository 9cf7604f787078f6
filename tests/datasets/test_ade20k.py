"""ADE20K: splits from file names, labels one down with 0 ignored, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pointrend.datasets.ade20k import Ade20kSource
from pointrend.datasets.prepare.samples import Sample
from pointrend.datasets.registry import classes_of
from pointrend.errors import DatasetError
from tests.datasets.layouts import ADE, Members, ade20k_members, encoded, read_samples, values, write_archives


@pytest.fixture
def members() -> Members:
    return ade20k_members()


def read(folder: Path, members: Members) -> dict[str, dict[str, Sample]]:
    return read_samples(Ade20kSource(write_archives(folder, {"ADEChallengeData2016.zip": members})), "ade20k")


def test_the_splits_are_the_sorted_file_names(tmp_path: Path, members: Members) -> None:
    splits = read(tmp_path, members)
    assert list(splits["train"]) == ["ADE_train_00000001", "ADE_train_00000002", "ADE_train_00000003"]
    assert list(splits["val"]) == ["ADE_val_00000001", "ADE_val_00000002"]
    assert [sample.picture.shape for sample in splits["train"].values()] == [(6, 9, 3), (6, 10, 3), (6, 11, 3)]


def test_labels_go_one_down_and_zero_is_ignored(tmp_path: Path, members: Members) -> None:
    raw = values(3, [0, 1, 2, 150], width=11)
    expected = np.select([raw == 0, raw == 1, raw == 2], [255, 0, 1], 149)
    np.testing.assert_array_equal(read(tmp_path, members)["train"]["ADE_train_00000003"].label, expected)


@pytest.mark.parametrize(
    ("member", "error"),
    [
        ("annotations/validation/ADE_val_00000002.png", "ADE_val_00000002: the picture has no mask"),
        ("images/training/ADE_train_00000001.jpg", "ADE_train_00000001: the mask has no picture"),
    ],
)
def test_a_picture_or_a_mask_alone_is_an_error(tmp_path: Path, members: Members, member: str, error: str) -> None:
    del members[ADE + member]
    with pytest.raises(DatasetError, match=f"^{error}; .* fetch it again"):
        read(tmp_path, members)


@pytest.mark.parametrize("value", [151, 255])
def test_a_label_value_outside_the_table_is_an_error(tmp_path: Path, members: Members, value: int) -> None:
    members[f"{ADE}annotations/training/ADE_train_00000001.png"] = encoded(values(0, [0, 150, value], width=9))
    with pytest.raises(DatasetError, match=f"^ADE_train_00000001: the mask has label value {value}, not one of ADE20K"):
        read(tmp_path, members)


def test_there_are_150_names_in_the_order_of_the_archives_list() -> None:
    names = classes_of("ade20k").names
    assert len(names) == 150
    # Places in the archive's objectInfo150.txt, which counts from 1.
    places = {1: "wall", 13: "person", 21: "car", 45: "chest of drawers", 74: "kitchen island", 117: "minibike"}
    assert {place: names[place - 1] for place in places} == places
    assert names[-1] == "flag"


def test_the_colours_are_those_of_the_published_list() -> None:
    palette = classes_of("ade20k").palette
    assert palette[[0, 1, 2, 20, 149]].tolist() == [
        [120, 120, 120],
        [180, 120, 120],
        [6, 230, 230],
        [0, 102, 200],
        [92, 0, 255],
    ]
