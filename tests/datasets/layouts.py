"""Tiny archives in the official names and layouts, made of noise, for the tests of this package."""

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat

Members = dict[str, bytes]

VOC = "VOCdevkit/VOC2012/"
SBD = "benchmark_RELEASE/dataset/"
ADE = "ADEChallengeData2016/"


def pixels(seed: int, height: int = 6, width: int = 8) -> np.ndarray:
    """An image of noise, uint8 RGB (H, W, 3)."""
    return np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8)


def values(seed: int, allowed: list[int], height: int = 6, width: int = 8) -> np.ndarray:
    """A mask of noise, uint8 (H, W), of the allowed values."""
    return np.random.RandomState(seed).choice(np.array(allowed, dtype=np.uint8), (height, width))


def encoded(array: np.ndarray, kind: str = "PNG", mode: str | None = None) -> bytes:
    """The array as an image file; mode "P" stores a mask as indices into a palette whose colours mean nothing."""
    image = Image.fromarray(array)
    if mode == "P":
        image = Image.frombytes("P", image.size, array.tobytes())
        image.putpalette([(7 * index + 3) % 256 for index in range(768)])
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def mat(compress: bool = True, **variables: Any) -> bytes:
    stream = io.BytesIO()
    savemat(stream, variables, do_compression=compress)
    return stream.getvalue()


def sbd_mask(mask: np.ndarray) -> bytes:
    """A mask in the nested structure of SBD's MATLAB files."""
    boundaries = np.empty((20, 1), dtype=object)
    boundaries[:] = [[np.zeros((1, 1))]] * 20
    return mat(GTcls={"Boundaries": boundaries, "Segmentation": mask, "CategoriesPresent": np.unique(mask)})


def _voc() -> dict[str, Members]:
    """VOC with train {a, c} and val {b, f}, and SBD with train {c, d, f} and val {b, e}; trainaug is {a, c, d, e}."""
    voc = {f"{VOC}ImageSets/Segmentation/train.txt": b"c\na\n", f"{VOC}ImageSets/Segmentation/val.txt": b"b\nf\n"}
    for seed, id in enumerate("abcdefg"):
        voc[f"{VOC}JPEGImages/{id}.jpg"] = encoded(pixels(seed), "JPEG")
    for seed, id in enumerate("abcf"):
        voc[f"{VOC}SegmentationClass/{id}.png"] = encoded(values(seed, [0, 1, 20, 255]), mode="P")
    sbd = {f"{SBD}train.txt": b"c\nd\nf\n", f"{SBD}val.txt": b"e\nb\n"}
    for seed, id in enumerate("bcdef"):
        sbd[f"{SBD}cls/{id}.mat"] = sbd_mask(values(100 + seed, [0, 2, 19]))
    return {"VOCtrainval_11-May-2012.tar": voc, "benchmark.tgz": sbd}


def _ade20k() -> dict[str, Members]:
    """Three training pairs, stored in no order, and two validation pairs; image n is n pixels wider than 8."""
    members = {f"{ADE}objectInfo150.txt": b"Idx\tRatio\n", f"{ADE}images/training/": b""}
    for split, folder, numbers in (("train", "training", (3, 1, 2)), ("val", "validation", (2, 1))):
        for n in numbers:
            id = f"ADE_{split}_0000000{n}"
            members[f"{ADE}images/{folder}/{id}.jpg"] = encoded(pixels(n, width=8 + n), "JPEG")
            members[f"{ADE}annotations/{folder}/{id}.png"] = encoded(values(n, [0, 1, 2, 150], width=8 + n))
    return {"ADEChallengeData2016.zip": members}


def _cityscapes() -> dict[str, Members]:
    """Two training cities, one validation city, and a test city with dummy masks as in the official archives."""
    images, masks = {"README": b"", "license.txt": b""}, {"README": b"", "license.txt": b""}
    names = ["train/ulm/ulm_1", "train/aachen/aachen_2", "train/aachen/aachen_1", "val/lindau/lindau_1"]
    for seed, name in enumerate([*names, "test/bonn/bonn_1"]):
        images[f"leftImg8bit/{name}_leftImg8bit.png"] = encoded(pixels(seed))
        masks[f"gtFine/{name}_gtFine_labelIds.png"] = encoded(values(seed, [0, 3, 7, 26, 33]))
        masks[f"gtFine/{name}_gtFine_color.png"] = encoded(pixels(seed))
        masks[f"gtFine/{name}_gtFine_polygons.json"] = b"{}"
    return {"leftImg8bit_trainvaltest.zip": images, "gtFine_trainvaltest.zip": masks}


def write_archives(folder: Path, archives: Mapping[str, Members]) -> dict[str, Path]:
    """Write archives, of the kind their names say, into the folder; return their paths by name."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / name for name in archives}
    for name, members in archives.items():
        if name.endswith(".zip"):
            with zipfile.ZipFile(paths[name], "w") as archive:
                for member in members.items():
                    archive.writestr(*member)
        else:
            with tarfile.open(paths[name], "w:gz" if name.endswith(".tgz") else "w") as tar:
                for member, data in members.items():
                    info = tarfile.TarInfo(member)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
    return paths


def archive_members() -> dict[str, dict[str, Members]]:
    """All archives' members by dataset and archive name."""
    return {"voc": _voc(), "ade20k": _ade20k(), "cityscapes": _cityscapes()}
