"""VOC 2012 and SBD: who is in trainaug, whose mask is used, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from pointrend.datasets.prepare.samples import Sample
from pointrend.datasets.registry import classes_of
from pointrend.datasets.voc import VocSource, read_ids
from pointrend.errors import ArchiveError, DatasetError
from tests.datasets.layouts import (
    SBD,
    VOC,
    Members,
    encoded,
    pixels,
    read_samples,
    sbd_mask,
    values,
    voc_members,
    write_archives,
)

LISTS = f"{VOC}ImageSets/Segmentation/"


@pytest.fixture
def members() -> tuple[Members, Members]:
    return voc_members()


def read(folder: Path, members: tuple[Members, Members]) -> dict[str, dict[str, Sample]]:
    voc, sbd = members
    paths = write_archives(folder, {"VOCtrainval_11-May-2012.tar": voc, "benchmark.tgz": sbd})
    return read_samples(VocSource(paths), "voc")


def test_trainaug_is_voc_train_with_sbd_without_voc_val(tmp_path: Path, members: tuple[Members, Members]) -> None:
    splits = read(tmp_path, members)
    assert list(splits["train"]) == ["a", "c", "d", "e"]
    assert list(splits["val"]) == ["b", "f"]


def test_voc_masks_are_used_where_voc_has_them_and_sbd_masks_elsewhere(
    tmp_path: Path, members: tuple[Members, Members]
) -> None:
    splits = read(tmp_path, members)
    labels = {id: sample.label for split in splits.values() for id, sample in split.items()}
    for seed, id in enumerate("abcf"):
        np.testing.assert_array_equal(labels[id], values(seed, [0, 1, 20, 255]))
    for id in "de":
        np.testing.assert_array_equal(labels[id], values(100 + "bcdef".index(id), [0, 2, 19]))


def test_pictures_are_bgr_as_opencv_reads_them(tmp_path: Path, members: tuple[Members, Members]) -> None:
    members[0][f"{VOC}JPEGImages/a.jpg"] = encoded(pixels(0))  # without loss, to compare exactly
    np.testing.assert_array_equal(read(tmp_path, members)["train"]["a"].picture, pixels(0)[..., ::-1])


def test_pictures_are_turned_as_exif_says(tmp_path: Path, members: tuple[Members, Members]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise by a quarter
    stream = io.BytesIO()
    Image.fromarray(pixels(0)).save(stream, "PNG", exif=exif)
    members[0][f"{VOC}JPEGImages/a.jpg"] = stream.getvalue()
    members[0][f"{VOC}SegmentationClass/a.png"] = encoded(np.zeros((8, 6), np.uint8), mode="P")
    picture = read(tmp_path, members)["train"]["a"].picture
    np.testing.assert_array_equal(picture, cv2.rotate(pixels(0)[..., ::-1], cv2.ROTATE_90_CLOCKWISE))


def test_grey_masks_hold_class_indices_too(tmp_path: Path, members: tuple[Members, Members]) -> None:
    members[0][f"{VOC}SegmentationClass/a.png"] = encoded(values(9, [0, 15, 255]))
    np.testing.assert_array_equal(read(tmp_path, members)["train"]["a"].label, values(9, [0, 15, 255]))


def test_pixels_are_counted_by_train_id(tmp_path: Path, members: tuple[Members, Members]) -> None:
    sample = read(tmp_path, members)["val"]["b"]
    np.testing.assert_array_equal(sample.pixels, np.bincount(sample.label.ravel(), minlength=256))


def test_lists_may_have_blank_lines_and_foreign_line_ends() -> None:
    assert read_ids("train.txt", b"\r\n 2007_000001 \r\n\n2007_000002\n   \n2007_000003") == [
        "2007_000001",
        "2007_000002",
        "2007_000003",
    ]


def test_an_id_listed_twice_is_an_error(tmp_path: Path, members: tuple[Members, Members]) -> None:
    members[0][f"{LISTS}train.txt"] = b"a\nc\r\na\n"
    with pytest.raises(DatasetError, match=r"^a is listed twice in \S+/train\.txt; .* fetch it again"):
        read(tmp_path, members)


@pytest.mark.parametrize(
    ("member", "error"),
    [
        ("JPEGImages/e.jpg", "e: VOCtrainval_11-May-2012.tar has no such picture"),
        ("JPEGImages/f.jpg", "f: VOCtrainval_11-May-2012.tar has no such picture"),
        ("SegmentationClass/c.png", "c: VOCtrainval_11-May-2012.tar has no such mask"),
        ("SegmentationClass/f.png", "f: VOCtrainval_11-May-2012.tar has no such mask"),
    ],
)
def test_an_id_without_picture_or_mask_is_an_error(
    tmp_path: Path, members: tuple[Members, Members], member: str, error: str
) -> None:
    del members[0][VOC + member]
    with pytest.raises(DatasetError) as problem:
        read(tmp_path, members)
    assert problem.value.what == error


@pytest.mark.parametrize(
    ("archive", "member"),
    [(0, f"{LISTS}val.txt"), (1, f"{SBD}train.txt"), (1, f"{SBD}cls/d.mat")],
)
def test_a_missing_list_or_sbd_mask_is_an_error(
    tmp_path: Path, members: tuple[Members, Members], archive: int, member: str
) -> None:
    del members[archive][member]
    with pytest.raises(ArchiveError, match=member):
        read(tmp_path, members)


def broken_structures() -> dict[str, bytes]:
    streams = {name: io.BytesIO() for name in ("no GTcls", "no Segmentation")}
    savemat(streams["no GTcls"], {"GTinst": np.zeros((6, 8), np.uint8)})
    savemat(streams["no Segmentation"], {"GTcls": {"CategoriesPresent": np.zeros(1)}})
    return {"garbage": b"not a MATLAB file", **{name: stream.getvalue() for name, stream in streams.items()}}


PNG = encoded(values(0, [0, 1]), mode="P")


@pytest.mark.parametrize(
    ("archive", "member", "data", "error"),
    [
        (0, "JPEGImages/a.jpg", b"<html>", "a: the picture cannot be decoded"),
        (0, "JPEGImages/a.jpg", b"", "a: the picture cannot be decoded"),
        (0, "SegmentationClass/f.png", b"<html>", r"f: the mask cannot be decoded \("),
        (0, "SegmentationClass/f.png", PNG[:-30], r"f: the mask cannot be decoded \("),
        (0, "SegmentationClass/a.png", encoded(pixels(0)), r"a: the mask has mode RGB, not palette \(P\)"),
        (0, "SegmentationClass/a.png", encoded(np.zeros((6, 8), bool)), "a: the mask has mode 1, not"),
        (
            0,
            "SegmentationClass/a.png",
            encoded(values(0, [0, 21]), mode="P"),
            "a: the mask has label value 21, not one",
        ),
        (
            0,
            "SegmentationClass/a.png",
            encoded(values(0, [0, 254])),
            "a: the mask has label value 254, not one of PASCAL",
        ),
        (1, "cls/d.mat", sbd_mask(values(0, [0, 33])), "d: the mask has label value 33, not one of PASCAL"),
        (1, "cls/d.mat", sbd_mask(np.zeros((6, 8))), "d: SBD's mask is float64 with 2 axes, not uint8 with 2"),
        (1, "cls/d.mat", sbd_mask(np.zeros((6, 8, 2), np.uint8)), "d: SBD's mask is uint8 with 3 axes"),
        *[(1, "cls/e.mat", data, r"e: SBD's mask cannot be read \(") for data in broken_structures().values()],
    ],
)
def test_a_damaged_member_is_an_error(
    tmp_path: Path, members: tuple[Members, Members], archive: int, member: str, data: bytes, error: str
) -> None:
    members[archive][(VOC, SBD)[archive] + member] = data
    with pytest.raises(DatasetError, match=f"^{error}"):
        read(tmp_path, members)


def test_an_archive_that_is_not_given_is_an_error() -> None:
    with pytest.raises(DatasetError, match=r"benchmark\.tgz is not there; run `pointrend fetch`"):
        VocSource({"VOCtrainval_11-May-2012.tar": Path("somewhere.tar")})


def test_names_and_colours_are_those_of_the_development_kit() -> None:
    classes = classes_of("voc")
    colours = {name: tuple(colour) for name, colour in zip(classes.names, classes.palette.tolist(), strict=True)}
    assert len(colours) == 21
    assert colours["background"] == (0, 0, 0)
    assert colours["aeroplane"] == (128, 0, 0)
    assert colours["bicycle"] == (0, 128, 0)
    assert colours["bird"] == (128, 128, 0)
    assert colours["cat"] == (64, 0, 0)
    assert colours["person"] == (192, 128, 128)
    assert colours["pottedplant"] == (0, 64, 0)
    assert colours["tvmonitor"] == (0, 64, 128)
