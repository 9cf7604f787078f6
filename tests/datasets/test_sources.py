"""The three datasets: which ids are in which split, whose mask is used, what labels mean, and what is refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from cityscapesscripts.helpers.labels import labels as city_labels
from PIL import Image
from scipy.io import savemat

from pointrend.datasets.prepare.samples import Sample
from pointrend.datasets.registry import classes_of, source_of
from pointrend.datasets.voc import VocSource, read_ids
from pointrend.errors import ArchiveError, DatasetError
from tests.datasets.layouts import (
    ADE,
    SBD,
    VOC,
    archive_members,
    encoded,
    pixels,
    read_samples,
    sbd_mask,
    values,
    write_archives,
)

Splits = dict[str, dict[str, Sample]]
Read = Callable[..., Splits]
OFFICIAL = [label for label in city_labels if label.id >= 0]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read all samples of a dataset by split and id, some members replaced, or left out where they are None."""

    def read_all(dataset: str, changes: dict[str, Any] | None = None) -> Splits:
        archives = archive_members()[dataset]
        for member, data in (changes or {}).items():
            (archive,) = (found for found in archives.values() if member in found)
            archive[member] = data
            if data is None:
                del archive[member]
        return read_samples(source_of(dataset)(write_archives(tmp_path, archives)), dataset)

    return read_all


@pytest.mark.parametrize(
    ("dataset", "train", "val"),
    [
        # VOC's train is {a, c}, its val {b, f}; SBD has {b, c, d, e, f}.
        ("voc", ["a", "c", "d", "e"], ["b", "f"]),
        ("ade20k", [f"ADE_train_0000000{n}" for n in (1, 2, 3)], ["ADE_val_00000001", "ADE_val_00000002"]),
        ("cityscapes", ["aachen/aachen_1", "aachen/aachen_2", "ulm/ulm_1"], ["lindau/lindau_1"]),
    ],
)
def test_splits(read: Read, dataset: str, train: list[str], val: list[str]) -> None:
    assert {split: list(samples) for split, samples in read(dataset).items()} == {"train": train, "val": val}


def test_voc_masks_are_used_where_voc_has_them_and_sbd_masks_elsewhere(read: Read) -> None:
    labels = {id: sample.label for split in read("voc").values() for id, sample in split.items()}
    for seed, id in enumerate("abcf"):
        np.testing.assert_array_equal(labels[id], values(seed, [0, 1, 20, 255]))
    for id in "de":
        np.testing.assert_array_equal(labels[id], values(100 + "bcdef".index(id), [0, 2, 19]))


def test_ade20k_labels_go_one_down_and_zero_is_ignored(read: Read) -> None:
    samples = read("ade20k")["train"]
    raw = values(3, [0, 1, 2, 150], width=11)
    expected = np.select([raw == 0, raw == 1, raw == 2], [255, 0, 1], 149)
    np.testing.assert_array_equal(samples["ADE_train_00000003"].label, expected)
    assert [sample.image.shape for sample in samples.values()] == [(6, 9, 3), (6, 10, 3), (6, 11, 3)]


def test_cityscapes_images_and_masks_belong_together(read: Read) -> None:
    sample = read("cityscapes")["train"]["aachen/aachen_1"]
    raw = values(2, [0, 3, 7, 26, 33])
    np.testing.assert_array_equal(sample.image, pixels(2)[..., ::-1])
    np.testing.assert_array_equal(sample.label, np.select([raw == 7, raw == 26, raw == 33], [0, 13, 18], 255))
    np.testing.assert_array_equal(sample.pixels, np.bincount(sample.label.ravel(), minlength=256))


def test_images_are_turned_as_exif_says(read: Read) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise by a quarter
    stream = io.BytesIO()
    Image.fromarray(pixels(0)).save(stream, "PNG", exif=exif)
    mask = encoded(np.zeros((8, 6), np.uint8), mode="P")
    changes = {f"{VOC}JPEGImages/a.jpg": stream.getvalue(), f"{VOC}SegmentationClass/a.png": mask}
    expected = cv2.rotate(pixels(0)[..., ::-1], cv2.ROTATE_90_CLOCKWISE)
    np.testing.assert_array_equal(read("voc", changes)["train"]["a"].image, expected)


def test_lists_may_have_blank_lines_and_foreign_line_ends() -> None:
    text = b"\r\n 2007_000001 \r\n\n2007_000002\n   \n2007_000003"
    assert read_ids("train.txt", text) == ["2007_000001", "2007_000002", "2007_000003"]
    with pytest.raises(DatasetError, match=r"^a is listed twice in train\.txt; .* fetch it again"):
        read_ids("train.txt", b"a\nc\r\na\n")


def mat(**variables: Any) -> bytes:
    stream = io.BytesIO()
    savemat(stream, variables, do_compression=True)
    return stream.getvalue()


PNG = encoded(values(0, [0, 1]), mode="P")
TRAIN = f"{ADE}images/training/ADE_train_00000001.jpg"
TRAIN_MASK = f"{ADE}annotations/training/ADE_train_00000001.png"
VAL_MASK = f"{ADE}annotations/validation/ADE_val_00000002.png"
LABELS = "_gtFine_labelIds.png"
ULM_MASK = f"gtFine/train/ulm/ulm_1{LABELS}"
TAR, TGZ = r"VOCtrainval_11-May-2012\.tar", r"benchmark\.tgz"


@pytest.mark.parametrize(
    ("dataset", "member", "data", "error"),
    [
        ("voc", f"{VOC}JPEGImages/e.jpg", None, f"e: {TAR} has no such image"),
        ("voc", f"{VOC}JPEGImages/f.jpg", None, f"f: {TAR} has no such image"),
        ("voc", f"{VOC}SegmentationClass/c.png", None, f"c: {TAR} has no such mask"),
        ("voc", f"{VOC}SegmentationClass/f.png", None, f"f: {TAR} has no such mask"),
        ("voc", f"{SBD}cls/d.mat", None, f"d: {TGZ} has no such mask"),
        ("ade20k", VAL_MASK, None, "ADE_val_00000002: the image has no mask"),
        ("ade20k", TRAIN, None, "ADE_train_00000001: the mask has no image"),
        ("cityscapes", f"gtFine/val/lindau/lindau_1{LABELS}", None, "lindau/lindau_1: the image has no mask"),
        ("cityscapes", "leftImg8bit/train/ulm/ulm_1_leftImg8bit.png", None, "ulm/ulm_1: the mask has no image"),
        ("voc", f"{VOC}JPEGImages/a.jpg", b"<html>", "a: the image cannot be decoded"),
        ("voc", f"{VOC}JPEGImages/a.jpg", b"", "a: the image cannot be decoded"),
        ("voc", f"{VOC}SegmentationClass/f.png", b"<html>", r"f: the mask cannot be decoded \("),
        ("voc", f"{VOC}SegmentationClass/f.png", PNG[:-30], r"f: the mask cannot be decoded \("),
        ("voc", f"{VOC}SegmentationClass/a.png", encoded(pixels(0)), r"a: the mask has mode RGB, not palette \(P\)"),
        ("voc", f"{VOC}SegmentationClass/a.png", encoded(np.zeros((6, 8), bool)), "a: the mask has mode 1, not"),
        *(
            ("voc", f"{VOC}SegmentationClass/a.png", mask, f"a: the mask has label value {value}, not one of PASCAL")
            for value, mask in ((21, encoded(values(0, [0, 21]), mode="P")), (254, encoded(values(0, [0, 254]))))
        ),
        ("voc", f"{SBD}cls/d.mat", sbd_mask(values(0, [0, 33])), "d: the mask has label value 33, not one of PASCAL"),
        ("voc", f"{SBD}cls/d.mat", sbd_mask(np.zeros((6, 8))), "d: SBD's mask is float64 with 2 axes, not uint8 with"),
        ("voc", f"{SBD}cls/d.mat", sbd_mask(np.zeros((6, 8, 2), np.uint8)), "d: SBD's mask is uint8 with 3 axes"),
        *(
            ("voc", f"{SBD}cls/e.mat", data, r"e: SBD's mask cannot be read \(")
            for data in (b"no MATLAB file", mat(GTinst=np.eye(2)), mat(GTcls={"CategoriesPresent": np.zeros(1)}))
        ),
        *(
            (
                "ade20k",
                TRAIN_MASK,
                encoded(values(0, [0, 150, value], width=9)),
                f"{TRAIN[-22:-4]}: .* value {value}, not",
            )
            for value in (151, 255)
        ),
        *(
            (
                "cityscapes",
                ULM_MASK,
                encoded(values(0, [7, value])),
                f"ulm/ulm_1: the mask has label value {value}, not",
            )
            for value in (34, 255)
        ),
    ],
)
def test_what_is_missing_or_damaged_is_named(read: Read, dataset: str, member: str, data: Any, error: str) -> None:
    with pytest.raises(
        DatasetError, match=f"^{error}.*; the archive is damaged or not the official one; fetch it again"
    ):
        read(dataset, {member: data})


def test_grey_masks_hold_class_indices_too(read: Read) -> None:
    sample = read("voc", {f"{VOC}SegmentationClass/a.png": encoded(values(9, [0, 15, 255]))})["train"]["a"]
    np.testing.assert_array_equal(sample.label, values(9, [0, 15, 255]))


@pytest.mark.parametrize("member", [f"{VOC}ImageSets/Segmentation/val.txt", f"{SBD}train.txt"])
def test_a_missing_list_is_named(read: Read, member: str) -> None:
    with pytest.raises(ArchiveError, match=f"it has no {member}"):
        read("voc", {member: None})


def test_an_archive_that_is_not_given_is_an_error() -> None:
    with pytest.raises(DatasetError, match=r"benchmark\.tgz is missing; run `pointrend fetch`"):
        VocSource({"VOCtrainval_11-May-2012.tar": Path("somewhere.tar")})


# Names and colours of the development kit; places, from 0, in ADE20K's objectInfo150.txt, and CSAILVision's colours.
KNOWN = {
    "voc": {
        0: ("background", "000000"),
        1: ("aeroplane", "800000"),
        2: ("bicycle", "008000"),
        3: ("bird", "808000"),
        8: ("cat", "400000"),
        15: ("person", "c08080"),
        16: ("pottedplant", "004000"),
        20: ("tvmonitor", "004080"),
    },
    "ade20k": {
        0: ("wall", "787878"),
        1: ("building", "b47878"),
        2: ("sky", "06e6e6"),
        12: ("person", "96053d"),
        20: ("car", "0066c8"),
        44: ("chest of drawers", "0633ff"),
        73: ("kitchen island", "00ff29"),
        116: ("minibike", "a300ff"),
        149: ("flag", "5c00ff"),
    },
    "cityscapes": {label.trainId: (label.name, bytes(label.color).hex()) for label in OFFICIAL if label.trainId != 255},
}


@pytest.mark.parametrize(("dataset", "count"), [("voc", 21), ("ade20k", 150), ("cityscapes", 19)])
def test_names_and_colours_are_the_official_ones(dataset: str, count: int) -> None:
    classes = classes_of(dataset)
    assert len(classes.names) == len(classes.palette) == count
    found = {index: (classes.names[index], bytes(classes.palette[index].tolist()).hex()) for index in KNOWN[dataset]}
    assert found == KNOWN[dataset]


def test_the_train_ids_of_cityscapes_are_the_official_ones() -> None:
    assert {label.id: label.trainId for label in OFFICIAL} == dict(enumerate(classes_of("cityscapes").train_ids[:34]))
