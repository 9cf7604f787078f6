"""The demo's archives: official names and layouts, the same bytes at every build."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import threading
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import scipy.io
from PIL import Image

from pointrend.archives.demo import build, packing
from pointrend.archives.demo.build import build_demo_archives
from pointrend.archives.demo.layouts import ARCHIVES, SceneCounts, voc_ids
from pointrend.errors import ParamsError

SMALL = SceneCounts(train=8, val=4, height=48, width=64)
TINY = SceneCounts(train=4, val=2, height=32, width=32)
VOC_TAR, SBD_TGZ = "VOCtrainval_11-May-2012.tar", "benchmark.tgz"
VOC, SBD = "VOCdevkit/VOC2012", "benchmark_RELEASE/dataset"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    build_demo_archives(folder, SMALL)
    return folder


def tar_members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}  # type: ignore[union-attr]


def zip_members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def decode(data: bytes) -> Any:
    return cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)


def gtcls(data: bytes) -> Any:
    return scipy.io.loadmat(io.BytesIO(data))["GTcls"]


def digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ARCHIVES}


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the archives that are written in a test."""
    names: list[str] = []

    def write(path: Path, name: str, members: Any) -> None:
        names.append(name)
        packing.write_archive(path, name, members)

    monkeypatch.setattr(build, "write_archive", write)
    return names


def test_two_builds_give_the_same_bytes(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.asctime", lambda *_: "Tue Jan  1 00:00:00 2030")
    build_demo_archives(tmp_path, SMALL)
    assert digests(tmp_path) == digests(built)
    assert (tmp_path / "manifest.json").read_bytes() == (built / "manifest.json").read_bytes()


def test_manifest_measures_the_archives(built: Path) -> None:
    manifest = json.loads((built / "manifest.json").read_text())
    assert manifest["files"].keys() == ARCHIVES.keys()
    for name, facts in manifest["files"].items():
        data = (built / name).read_bytes()
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        assert facts == {"bytes": len(data), "md5": md5, "sha256": hashlib.sha256(data).hexdigest()}
    assert {path.name for path in built.iterdir()} == {*ARCHIVES, "manifest.json", ".build.lock"}


def test_what_is_not_complete_is_built_again(
    tmp_path: Path, written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, archive = tmp_path / "manifest.json", tmp_path / "benchmark.tgz"
    first, good = build_demo_archives(tmp_path, TINY), digests(tmp_path)
    damages: dict[str, Callable[[], Any]] = {
        "none": lambda: None,
        "missing": archive.unlink,
        "cut": lambda: os.truncate(archive, archive.stat().st_size - 1),
        "no manifest": manifest.unlink,
        "torn manifest": lambda: manifest.write_text("{"),
        "other code": lambda: monkeypatch.setattr(build, "_generator", lambda: "newer"),
    }
    for name, damage in damages.items():
        written.clear()
        damage()
        again = build_demo_archives(tmp_path, TINY)
        assert written == ([] if name == "none" else list(ARCHIVES)), name
        assert (again == first) == (name != "other code")
        assert digests(tmp_path) == good
    other = build_demo_archives(tmp_path, replace(TINY, train=5))
    assert (other["scenes"]["train"], digests(tmp_path) == good) == (5, False)


def test_an_interrupted_build_leaves_nothing_that_passes_for_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_at_ade(path: Path, name: str, members: Any) -> None:
        packing.write_archive(path, name, members)
        if name.startswith("ADE"):
            raise KeyboardInterrupt

    build_demo_archives(tmp_path, replace(TINY, val=3))
    for name in list(ARCHIVES)[2:]:
        (tmp_path / name).unlink()
    monkeypatch.setattr(build, "write_archive", stop_at_ade)
    with pytest.raises(KeyboardInterrupt):
        build_demo_archives(tmp_path, TINY)
    assert {path.name for path in tmp_path.iterdir()} == {*list(ARCHIVES)[:2], ".build.lock"}


def test_builders_side_by_side_build_once(tmp_path: Path, written: list[str]) -> None:
    threads = [threading.Thread(target=build_demo_archives, args=(tmp_path, TINY)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(written) == sorted(ARCHIVES)


@pytest.mark.parametrize("counts", [{"train": 3}, {"val": 1}, {"height": 31}, {"width": 0}])
def test_too_few_or_too_small_scenes_are_refused(tmp_path: Path, counts: dict[str, int]) -> None:
    with pytest.raises(ParamsError, match=next(iter(counts))):
        build_demo_archives(tmp_path, SceneCounts(**counts))
    assert not list(tmp_path.iterdir())


def test_id_lists_overlap_as_the_official_ones() -> None:
    ids = voc_ids(SceneCounts())
    sbd = {*ids.sbd_train, *ids.sbd_val}
    assert not set(ids.train) & set(ids.val)
    assert not set(ids.sbd_train) & set(ids.sbd_val)
    for sbd_list in (ids.sbd_train, ids.sbd_val):
        assert set(sbd_list) & set(ids.train)
        assert set(sbd_list) & set(ids.val)
        assert set(sbd_list) - {*ids.train, *ids.val}
    assert set(ids.train) - sbd, "some VOC labels exist only in VOC"
    counts = len(ids.train), len(sbd), len((set(ids.train) | sbd) - set(ids.val)), len(ids.val)
    assert counts == (32, 80, 96, 24)


def test_voc_layout(built: Path) -> None:
    voc_members, folders = tar_members(built / VOC_TAR), dict[str, set[str]]()
    for name in voc_members:
        folder, _, file = name.rpartition("/")
        folders.setdefault(folder.removeprefix(f"{VOC}/"), set()).add(Path(file).stem)
    assert folders.keys() == {"ImageSets/Segmentation", "JPEGImages", "SegmentationClass"}
    ids = voc_ids(SMALL)
    for split, listed in {"train": ids.train, "val": ids.val, "trainval": (*ids.train, *ids.val)}.items():
        assert voc_members[f"{VOC}/ImageSets/Segmentation/{split}.txt"].decode().splitlines() == list(listed)
    assert folders["SegmentationClass"] == {*ids.train, *ids.val}
    assert folders["JPEGImages"] == {*ids.train, *ids.sbd_train, *ids.sbd_val, *ids.val}


def test_voc_masks_are_palette_images_with_borders(built: Path) -> None:
    voc_members, borders = tar_members(built / VOC_TAR), []
    for name, data in voc_members.items():
        if "SegmentationClass" not in name:
            continue
        image: Any = Image.open(io.BytesIO(data))
        assert image.mode == "P"
        assert image.getpalette()[:12] == [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]
        assert image.getpalette()[-3:] == [224, 224, 192]
        mask = np.asarray(image)
        assert mask.shape == (48, 64)
        assert set(np.unique(mask)) <= {*range(21), 255}
        borders.append((mask == 255).mean())
        picture = decode(voc_members[name.replace("SegmentationClass", "JPEGImages").replace(".png", ".jpg")])
        assert picture.shape == (48, 64, 3)
    assert 0.02 < np.mean(borders) < 0.25


def test_sbd_labels_have_the_gtcls_structure(built: Path) -> None:
    sbd_members = tar_members(built / SBD_TGZ)
    mats = {name: data for name, data in sbd_members.items() if name.endswith(".mat")}
    for data in mats.values():
        struct = gtcls(data)
        assert struct.shape == (1, 1)
        assert struct.dtype.names == ("Boundaries", "Segmentation", "CategoriesPresent")
        label, present = struct[0, 0]["Segmentation"], struct[0, 0]["CategoriesPresent"]
        assert (label.shape, label.dtype) == ((48, 64), np.uint8)
        assert label.max() <= 20, "no borders"
        assert present.ravel().tolist() == sorted(set(np.unique(label)) - {0})
        outlines = struct[0, 0]["Boundaries"]
        assert outlines.shape == (20, 1)
        found = [category + 1 for category in range(20) if outlines[category, 0].nnz]
        assert found == present.ravel().tolist()
    listed = [sbd_members[f"{SBD}/{split}.txt"].decode().split() for split in ("train", "val")]
    assert {Path(name).stem for name in mats} == {*listed[0], *listed[1]}


def test_sbd_agrees_with_voc_off_the_borders(built: Path) -> None:
    voc_members, sbd_members, both = tar_members(built / VOC_TAR), tar_members(built / SBD_TGZ), 0
    for name, data in voc_members.items():
        mat = sbd_members.get(f"{SBD}/cls/{Path(name).stem}.mat")
        if "SegmentationClass" not in name or mat is None:
            continue
        both += 1
        mask, label = np.asarray(Image.open(io.BytesIO(data))), gtcls(mat)[0, 0]["Segmentation"]
        assert np.array_equal(mask[mask != 255], label[mask != 255])
    assert both == 3


def test_ade20k_layout(built: Path) -> None:
    members = zip_members(built / "ADEChallengeData2016.zip")
    names = [f"training/ADE_train_{number:08d}" for number in range(1, 9)]
    names += [f"validation/ADE_val_{number:08d}" for number in range(1, 5)]
    pictures = [f"ADEChallengeData2016/images/{name}.jpg" for name in names]
    masks = [f"ADEChallengeData2016/annotations/{name}.png" for name in names]
    assert members.keys() == {*pictures, *masks}
    assert {decode(members[name]).shape for name in pictures} == {(48, 64, 3)}
    labels = np.stack([decode(members[name]) for name in masks])
    assert (labels.shape, labels.dtype) == ((12, 48, 64), np.uint8)
    assert labels.max() <= 150
    assert (labels == 0).any(), "unlabelled pixels"


def test_cityscapes_layout(built: Path) -> None:
    pictures = zip_members(built / "leftImg8bit_trainvaltest.zip")
    labels = zip_members(built / "gtFine_trainvaltest.zip")
    stems = {name.removeprefix("leftImg8bit/").removesuffix("_leftImg8bit.png") for name in pictures}
    assert stems == {name.removeprefix("gtFine/").removesuffix("_gtFine_labelIds.png") for name in labels}
    for stem in stems:
        split, city, name = stem.split("/")
        assert name.startswith(f"{city}_")
        picture = decode(pictures[f"leftImg8bit/{stem}_leftImg8bit.png"])
        label = decode(labels[f"gtFine/{stem}_gtFine_labelIds.png"])
        assert picture.shape == (48, 96, 3)
        assert (label.shape, label.dtype) == ((48, 96), np.uint8)
        assert label.max() <= 33
        assert (label.max() == 0) == (split == "test")
    folders = Counter(stem.rpartition("/")[0] for stem in stems)
    cities = {"train/aachen": 4, "train/bochum": 4, "val/frankfurt": 2, "val/munster": 2, "test/berlin": 2}
    assert folders == cities


def test_archives_hold_no_time_or_owner(built: Path) -> None:
    for name in (VOC_TAR, SBD_TGZ):
        with tarfile.open(built / name) as archive:
            for entry in archive:
                assert (entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname) == (1336694400, 0, 0, "", "")
                assert entry.mode == (0o755 if entry.isdir() else 0o644)
    assert (built / "benchmark.tgz").read_bytes()[3:8] == b"\0\0\0\0\0", "neither file name nor time"
    with zipfile.ZipFile(built / "gtFine_trainvaltest.zip") as packed:
        assert {entry.date_time for entry in packed.infolist()} == {(2012, 5, 11, 0, 0, 0)}
        assert any(entry.is_dir() for entry in packed.infolist())
