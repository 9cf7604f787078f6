"""What the demo's archives hold: the drawn scenes under the official archives' names and layouts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import scipy.io
import scipy.sparse
from numpy.typing import NDArray
from PIL import Image

from pointrend.archives.demo.packing import Member
from pointrend.archives.demo.scenes import Scene, draw_scene, outlines

SBD_CATEGORIES = 20
WITHHELD = 2  # images in Cityscapes' test split, whose labels are not published
_CITIES = {"train": ("aachen", "bochum"), "val": ("frankfurt", "munster"), "test": ("berlin",)}
_MAT_HEADER = b"MATLAB 5.0 MAT-file Platform: posix, Created on: Fri May 11 00:00:00 2012"
_MAT_HEADER_BYTES = 116


@dataclass(frozen=True)
class SceneCounts:
    """How much is drawn per dataset: images in train and val, and their size in pixels.

    Cityscapes images are 2 * ``height`` wide. VOC's ``train`` counts trainaug: a third of it are VOC training
    ids, the others have labels in SBD only.
    """

    train: int = 96
    val: int = 24
    height: int = 128
    width: int = 160


@dataclass(frozen=True)
class VocIds:
    """The id lists of VOC 2012 and SBD, which overlap as the official ones do.

    trainaug = (``train`` | ``sbd_train`` | ``sbd_val``) - ``val``; some of ``train`` and some of ``val`` are
    in SBD too, which is why ``val`` has to be taken out.
    """

    train: tuple[str, ...]
    val: tuple[str, ...]
    sbd_train: tuple[str, ...]
    sbd_val: tuple[str, ...]
    scenes: dict[str, tuple[str, int]]  # the scene (split, index) of every id


def voc_ids(counts: SceneCounts) -> VocIds:
    """Name the scenes: 2007_* are VOC training images, 2008_* SBD's alone, 2009_* VOC validation images."""
    own = max(counts.train // 3, 1)
    scenes = {f"2007_{index + 1:06d}": ("train", index) for index in range(own)}
    scenes |= {f"2008_{index + 1:06d}": ("train", index) for index in range(own, counts.train)}
    scenes |= {f"2009_{index + 1:06d}": ("val", index) for index in range(counts.val)}
    train, only_sbd, val = (tuple(i for i in scenes if i.startswith(year)) for year in ("2007", "2008", "2009"))
    sbd = sorted((*train[::4], *only_sbd, *val[::3]))
    sbd_val = tuple(sbd[2::4])
    return VocIds(train, val, tuple(i for i in sbd if i not in sbd_val), sbd_val, scenes)


def voc(counts: SceneCounts) -> Iterator[Member]:
    """VOCtrainval_11-May-2012.tar: every image, palette masks with 255 borders for VOC's own ids, id lists."""
    root, ids = "VOCdevkit/VOC2012", voc_ids(counts)
    lists = {"train": ids.train, "trainval": (*ids.train, *ids.val), "val": ids.val}
    for split, listed in lists.items():
        yield f"{root}/ImageSets/Segmentation/{split}.txt", _lines(listed)
    for image_id in ids.scenes:
        yield f"{root}/JPEGImages/{image_id}.jpg", _jpeg(_voc_scene(ids, image_id, counts).picture)
    for image_id in lists["trainval"]:
        scene = _voc_scene(ids, image_id, counts)
        mask = np.where(outlines(scene.layer), np.uint8(255), scene.label)
        yield f"{root}/SegmentationClass/{image_id}.png", _palette_png(mask)


def sbd(counts: SceneCounts) -> Iterator[Member]:
    """benchmark.tgz: a .mat with the GTcls structure per id, without 255 borders, and the id lists."""
    root, ids = "benchmark_RELEASE/dataset", voc_ids(counts)
    for image_id in sorted((*ids.sbd_train, *ids.sbd_val)):
        yield f"{root}/cls/{image_id}.mat", _gtcls(_voc_scene(ids, image_id, counts).label)
    yield f"{root}/train.txt", _lines(ids.sbd_train)
    yield f"{root}/val.txt", _lines(ids.sbd_val)


def ade20k(counts: SceneCounts) -> Iterator[Member]:
    """ADEChallengeData2016.zip: labels 0 (unlabelled) to 150."""
    root = "ADEChallengeData2016"
    for folder, split, count in (("training", "train", counts.train), ("validation", "val", counts.val)):
        for index in range(count):
            name = f"ADE_{split}_{index + 1:08d}"
            scene = draw_scene("ade20k", split, index, counts.height, counts.width)
            yield f"{root}/annotations/{folder}/{name}.png", _png(scene.label)
            yield f"{root}/images/{folder}/{name}.jpg", _jpeg(scene.picture)


def cityscapes_pictures(counts: SceneCounts) -> Iterator[Member]:
    """leftImg8bit_trainvaltest.zip."""
    for split, index, place in _cityscapes_places(counts):
        yield f"leftImg8bit/{place}_leftImg8bit.png", _png(_cityscapes_scene(split, index, counts).picture)


def cityscapes_labels(counts: SceneCounts) -> Iterator[Member]:
    """gtFine_trainvaltest.zip: labelIds 0..33; those of the test split are all 0, as they are not published."""
    for split, index, place in _cityscapes_places(counts):
        label = _cityscapes_scene(split, index, counts).label
        yield f"gtFine/{place}_gtFine_labelIds.png", _png(label if split != "test" else np.zeros_like(label))


# The members of every archive, by its official name.
ARCHIVES = {
    "VOCtrainval_11-May-2012.tar": voc,
    "benchmark.tgz": sbd,
    "ADEChallengeData2016.zip": ade20k,
    "leftImg8bit_trainvaltest.zip": cityscapes_pictures,
    "gtFine_trainvaltest.zip": cityscapes_labels,
}


def _voc_scene(ids: VocIds, image_id: str, counts: SceneCounts) -> Scene:
    return draw_scene("voc", *ids.scenes[image_id], counts.height, counts.width)


def _cityscapes_scene(split: str, index: int, counts: SceneCounts) -> Scene:
    return draw_scene("cityscapes", split, index, counts.height, 2 * counts.height)


def _cityscapes_places(counts: SceneCounts) -> Iterator[tuple[str, int, str]]:
    """Yield split, index and ``<split>/<city>/<city>_<sequence>_<frame>`` of every image."""
    for split, count in (("train", counts.train), ("val", counts.val), ("test", WITHHELD)):
        cities = _CITIES[split]
        for index in range(count):
            city = cities[index % len(cities)]
            yield split, index, f"{split}/{city}/{city}_{index // len(cities):06d}_000019"


def _lines(ids: tuple[str, ...]) -> bytes:
    return "".join(f"{image_id}\n" for image_id in ids).encode()


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, 95))[1].tobytes()


def _png(picture: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".png", picture, (cv2.IMWRITE_PNG_COMPRESSION, 6))[1].tobytes()


def _palette_png(mask: NDArray[np.uint8]) -> bytes:
    """An indexed PNG with the VOC colour map, as the official masks are."""
    image = Image.fromarray(mask)
    image.putpalette(_voc_colour_map())
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=6)
    return stream.getvalue()


def _voc_colour_map() -> bytes:
    """256 RGB colours: bits 0, 1, 2 of an index go to red, green and blue from the top bit down, then bits 3 to 5,
    and so on."""
    return bytes(
        sum(((index >> (3 * step + channel)) & 1) << (7 - step) for step in range(8))
        for index in range(256)
        for channel in range(3)
    )


def _gtcls(label: NDArray[np.uint8]) -> bytes:
    """A .mat file with the struct GTcls of SBD: category outlines (sparse), label map, categories present."""
    border = np.empty((SBD_CATEGORIES, 1), dtype=object)
    for category in range(1, SBD_CATEGORIES + 1):
        border[category - 1, 0] = scipy.sparse.csc_matrix(outlines(label) & (label == category))
    present = np.setdiff1d(label, [0]).astype(np.uint8)[:, np.newaxis]
    stream = io.BytesIO()
    fields = {"Boundaries": border, "Segmentation": label, "CategoriesPresent": present}
    scipy.io.savemat(stream, {"GTcls": fields}, do_compression=True)
    # savemat writes the time of day into the header's text, which nothing reads.
    return _MAT_HEADER.ljust(_MAT_HEADER_BYTES) + stream.getvalue()[_MAT_HEADER_BYTES:]
