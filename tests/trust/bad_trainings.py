"""Pictures and sizes that do not go together, through `train` as it is typed."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from pointrend.cli import main
from pointrend.files import read_json, sha256_file, write_json
from pointrend.settings.fingerprints import training_fingerprint
from pointrend.settings.project import Project
from tests.datasets.layouts import archive_members, encoded, pixels, values
from tests.trust.cases import Case
from tests.trust.ground import Ground

TINY = "width=4 fpn_channels=8 scale_channels=8 point_channels=8 train_points=16 batch_size=2 epochs=1 log_every=1"


def train(dataset: str, *more: str) -> str:
    """A training of a few iterations."""
    chosen = " ".join(f"--set {value}" for value in (*TINY.split(), *more))
    return f"{chosen} train {dataset}_r50"


def prepared(dataset: str) -> Callable[[Ground], None]:
    """Prepare what the archives hold: pictures of 8 by 6 pixels, and some that are a little wider."""

    def prepare(ground: Ground) -> None:
        with contextlib.chdir(ground.root):
            assert main(["--quiet", "prepare", dataset]) == 0

    return prepare


def upright(ground: Ground) -> None:
    """One of Cityscapes' pictures stands upright."""
    archives = archive_members()["cityscapes"]
    pictures, masks = archives.values()
    pictures["leftImg8bit/train/ulm/ulm_1_leftImg8bit.png"] = encoded(pixels(1, 9, 6))
    masks["gtFine/train/ulm/ulm_1_gtFine_labelIds.png"] = encoded(values(1, [7, 26], 9, 6))
    ground.archives("cityscapes", archives)
    prepared("cityscapes")(ground)


def unreadable(ground: Ground) -> None:
    """A picture of VOC's compact form is damaged."""
    ground.put("operation.store", "compact")
    prepared("voc")(ground)
    data = ground.path("data/demo/voc/train.pictures.bin")
    data.write_bytes(data.read_bytes()[:-40] + bytes(40))
    manifest = ground.path("data/demo/voc/manifest.json")
    record = {"bytes": data.stat().st_size, "sha256": sha256_file(data)}
    said = read_json(manifest)
    write_json(manifest, {**said, "files": {**said["files"], data.name: record}})


def flipped(name: str) -> Callable[[Ground], None]:
    """One bit of a prepared file is not what it was."""

    def flip(ground: Ground) -> None:
        path = ground.path(f"data/demo/voc/{name}")
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    return flip


def of_seed_0(names: str) -> Callable[[Ground], None]:
    """What the training of seed 0 left, copied to where that of seed 1 looks."""

    def copy(ground: Ground) -> None:
        with contextlib.chdir(ground.root):
            project = Project.load(Path("params.yaml"), "demo")
            setting = project.setting("voc_r50")
            old, new = (
                project.checkpoint_folder("voc_r50", seed, training_fingerprint(project, setting, seed))
                for seed in (0, 1)
            )
            new.mkdir(parents=True)
            for path in old.glob(names):
                (shutil.copytree if path.is_dir() else shutil.copy)(path, new / path.name)

    return copy


def trained(dataset: str) -> Callable[[Ground], None]:
    def look(ground: Ground) -> None:
        record = json.loads(ground.path(f"runs/demo/{dataset}_r50-s0/train.json").read_text())
        assert record["setting"]["dataset"] == dataset

    return look


def small(dataset: str) -> Case:
    """Pictures smaller than the crop, also when they are resized."""
    name = f"pictures smaller than the crop, {dataset}"
    return Case(name, dataset, prepared(dataset), train(dataset, "base_size=[64,24]"), 0, (), trained(dataset))


def refused(name: str, dataset: str, spoil: Callable[[Ground], None], command: str, *words: str) -> Case:
    return Case(name, dataset, spoil, command, 2, words)


OF_SEED_0 = ("is of voc_r50 seed 0 (fingerprint ", "), not of voc_r50 seed 1 (fingerprint ", "move it back")
UNREADABLE = ("e of train in data/demo/voc cannot be decoded", "prepare")
CASES = (
    small("voc"),
    small("ade20k"),
    small("cityscapes"),
    refused(
        "upright picture, lying crop",
        "cityscapes",
        upright,
        train("cityscapes"),
        "ulm/ulm_1 (train) is portrait, 6x9, but crop_size is landscape, 128x64",
        "square crop_size",
    ),
    refused("all of another seed's", "done", of_seed_0("*"), "train voc_r50 --seed 1", "attempts.json", *OF_SEED_0),
    refused(
        "another seed's checkpoints", "done", of_seed_0("0*"), "train voc_r50 --seed 1", "4-000001.json", *OF_SEED_0
    ),
    *(
        Case(
            f"flipped bit in {name}", "prepared", flipped(name), "train voc_r50", 3, (name, "does not have", "prepare")
        )
        for name in ("train.pictures.bin", "train.labels.bin", "train.index.json")
    ),
    refused("unreadable prepared picture", "voc", unreadable, train("voc"), *UNREADABLE),
    refused("unreadable prepared picture, loader process", "voc", unreadable, train("voc", "workers=1"), *UNREADABLE),
    refused(
        "one cell for batch norm",
        "voc",
        prepared("voc"),
        train("voc", "crop_size=[32,32]", "batch_size=1"),
        "batch norm needs more than one cell",
    ),
)
