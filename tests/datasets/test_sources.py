"""The three datasets: which ids are in which split, whose mask is used, what labels mean, and what is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cityscapesscripts.helpers.labels import labels as city_labels

from pointrend.datasets.prepare.samples import Sample, decode_samples
from pointrend.datasets.registry import classes_of, source_of
from pointrend.errors import DatasetError
from tests.datasets.layouts import ADE, SBD, VOC, archive_members, encoded, pixels, sbd_mask, values, write_archives

Splits = dict[str, dict[str, Sample]]
Read = Callable[..., Splits]
OFFICIAL = [label for label in city_labels if label.id >= 0]


@pytest.fixture
def read(tmp_path):
    """Read all samples of a dataset by split and id, in order, where ``data`` replace a member; None leaves it out."""

    def read_all(dataset: str, member: str = "", data: Any = None) -> Splits:
        archives, classes = archive_members()[dataset], classes_of(dataset)
        for archive in (found for found in archives.values() if member in found):
            archive[member] = data
            if data is None:
                del archive[member]
        with source_of(dataset)(write_archives(tmp_path, archives)) as source:
            return {
                split: {sample.id: sample for sample in decode_samples(source.samples(split, ids), classes)}
                for split, ids in source.splits().items()
            }

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
def test_splits(read, dataset, train, val):
    assert {split: list(samples) for split, samples in read(dataset).items()} == {"train": train, "val": val}


def test_voc_masks_are_used_where_voc_has_them_and_sbd_masks_elsewhere(read):
    labels = {id: sample.label for split in read("voc").values() for id, sample in split.items()}
    for seed, id in enumerate("abcf"):
        np.testing.assert_array_equal(labels[id], values(seed, [0, 1, 20, 255]))
    for id in "de":
        np.testing.assert_array_equal(labels[id], values(100 + "bcdef".index(id), [0, 2, 19]))


def test_ade20k_labels_go_one_down_and_zero_is_ignored(read):
    samples = read("ade20k")["train"]
    raw = values(3, [0, 1, 2, 150], width=11)
    expected = np.select([raw == 0, raw == 1, raw == 2], [255, 0, 1], 149)
    np.testing.assert_array_equal(samples["ADE_train_00000003"].label, expected)
    assert [sample.image.shape for sample in samples.values()] == [(6, 9, 3), (6, 10, 3), (6, 11, 3)]


def test_cityscapes_images_and_masks_belong_together(read):
    sample = read("cityscapes")["train"]["aachen/aachen_1"]
    raw = values(2, [0, 3, 7, 26, 33])
    np.testing.assert_array_equal(sample.image, pixels(2)[..., ::-1])
    np.testing.assert_array_equal(sample.label, np.select([raw == 7, raw == 26, raw == 33], [0, 13, 18], 255))
    np.testing.assert_array_equal(sample.pixels, np.bincount(sample.label.ravel(), minlength=256))


JPEGS, MASKS, MATS = f"{VOC}JPEGImages/", f"{VOC}SegmentationClass/", f"{SBD}cls/"
TRAIN_MASK = f"{ADE}annotations/training/ADE_train_00000001.png"
ULM, LINDAU = (f"gtFine/{city}_1_gtFine_labelIds.png" for city in ("train/ulm/ulm", "val/lindau/lindau"))
TAR, TGZ = r"VOCtrainval_11-May-2012\.tar", r"benchmark\.tgz"


@pytest.mark.parametrize(
    ("member", "data", "error"),
    [
        (f"{JPEGS}e.jpg", None, f"e: {TAR} has no such image"),
        (f"{JPEGS}f.jpg", None, f"f: {TAR} has no such image"),
        (f"{MASKS}c.png", None, f"c: {TAR} has no such mask"),
        (f"{MASKS}f.png", None, f"f: {TAR} has no such mask"),
        (f"{MATS}d.mat", None, f"d: {TGZ} has no such mask"),
        (LINDAU, None, "lindau/lindau_1: the image has no mask"),
        ("leftImg8bit/train/ulm/ulm_1_leftImg8bit.png", None, "ulm/ulm_1: the mask has no image"),
        (f"{MASKS}a.png", encoded(np.zeros((6, 8), bool)), "a: the mask has mode 1, not"),
        (f"{MASKS}a.png", encoded(values(0, [0, 21]), mode="P"), "a: the mask has label value 21, not one of PASCAL"),
        (f"{MASKS}a.png", encoded(values(0, [0, 254])), "a: the mask has label value 254, not one of PASCAL"),
        (f"{MATS}d.mat", sbd_mask(values(0, [0, 33])), "d: the mask has label value 33, not one of PASCAL"),
        (f"{MATS}d.mat", sbd_mask(np.zeros((6, 8))), "d: SBD's mask is float64 with 2 axes, not uint8 with 2"),
        (f"{MATS}d.mat", sbd_mask(np.zeros((6, 8, 2), np.uint8)), "d: SBD's mask is uint8 with 3 axes"),
        (TRAIN_MASK, encoded(values(0, [150, 255], width=9)), "ADE_train_00000001: .* value 255, not one of ADE20K"),
        (ULM, encoded(values(0, [7, 34])), "ulm/ulm_1: the mask has label value 34, not one of Cityscapes"),
        (ULM, encoded(values(0, [7, 255])), "ulm/ulm_1: the mask has label value 255, not one of Cityscapes"),
    ],
)
def test_what_is_missing_or_damaged_is_named(read, member, data, error):
    dataset = "voc" if member.startswith((VOC, SBD)) else "ade20k" if member.startswith(ADE) else "cityscapes"
    with pytest.raises(DatasetError, match=f"^{error}.*; the archive is damaged or not the official one; fetch"):
        read(dataset, member, data)


# Index, colour and name. From VOC's development kit; from ADE20K's objectInfo150.txt, which counts from 1, and
# CSAILVision's list of colours.
KNOWN = {
    "voc": """0 000000 background, 1 800000 aeroplane, 2 008000 bicycle, 3 808000 bird, 8 400000 cat, 15 c08080 person,
        16 004000 pottedplant, 20 004080 tvmonitor""",
    "ade20k": """0 787878 wall, 1 b47878 building, 2 06e6e6 sky, 12 96053d person, 20 0066c8 car,
        44 0633ff chest of drawers, 73 00ff29 kitchen island, 116 a300ff minibike, 149 5c00ff flag""",
    "cityscapes": ", ".join(
        f"{label.trainId} {bytes(label.color).hex()} {label.name}" for label in OFFICIAL if label.trainId != 255
    ),
}


@pytest.mark.parametrize(("dataset", "count"), [("voc", 21), ("ade20k", 150), ("cityscapes", 19)])
def test_names_and_colours_are_the_official_ones(dataset, count):
    classes = classes_of(dataset)
    assert len(classes.names) == len(classes.palette) == count
    for known in KNOWN[dataset].split(","):
        index, colour, name = known.split(maxsplit=2)
        assert (bytes(classes.palette[int(index)].tolist()).hex(), classes.names[int(index)]) == (colour, name)


def test_the_train_ids_of_cityscapes_are_the_official_ones():
    assert {label.id: label.trainId for label in OFFICIAL} == dict(enumerate(classes_of("cityscapes").train_ids[:34]))
