"""Images and sizes that do not go together, through `train` as it is typed."""

import contextlib

from pointrend.cli import main
from pointrend.files import sha256_file, write_json
from tests.datasets.layouts import archive_members, encoded, pixels, values
from tests.trust.cases import Case, Spoil, both, cases, put
from tests.trust.ground import Ground

TINY = "width=4 fpn_channels=8 scale_channels=8 point_channels=8 train_points=16 batch_size=2 epochs=1 log_every=1"
DATA = "data/demo/voc"
SIDEWAYS = "ulm/ulm_1 of train is 6x9|ulm/ulm_1 (train) is portrait, 6x9|ulm/ulm_1 (train) is upright, 6x9"


def train(dataset: str, *more: str) -> str:
    return " ".join((*(f"--set {value}" for value in (*TINY.split(), *more)), f"train {dataset}_r50"))


def prepared(dataset: str) -> Spoil:
    """Prepare what the archives hold: images of 8 by 6 pixels, and some that are a little wider."""

    def prepare(ground: Ground) -> None:
        with contextlib.chdir(ground.root):
            assert main(["--quiet", "prepare", dataset]) == 0

    return prepare


def upright(ground: Ground) -> None:
    archives = archive_members()["cityscapes"]
    images, masks = archives.values()
    images["leftImg8bit/train/ulm/ulm_1_leftImg8bit.png"] = encoded(pixels(1, 9, 6))
    masks["gtFine/train/ulm/ulm_1_gtFine_labelIds.png"] = encoded(values(1, [7, 26], 9, 6))
    ground.archives("cityscapes", archives)


def damaged(ground: Ground) -> None:
    """An image of VOC's compact form is damaged, and the manifest describes it so."""
    data = ground.path(f"{DATA}/train.pictures.bin")
    data.write_bytes(data.read_bytes()[:-40] + bytes(40))
    manifest = ground.json(f"{DATA}/manifest.json")
    manifest["files"][data.name] = {"bytes": data.stat().st_size, "sha256": sha256_file(data)}
    write_json(ground.path(f"{DATA}/manifest.json"), manifest)


def small(dataset: str) -> Case:
    """Images smaller than the crop, also when they are resized."""

    def trained(ground: Ground) -> None:
        assert ground.json(f"runs/demo/{dataset}_r50-s0/train.json")["setting"]["dataset"] == dataset

    name, typed = f"pictures smaller than the crop, {dataset}", train(dataset, "base_size=[64,24]")
    return Case(name, prepared(dataset), (), typed, state=dataset, code=0, then=trained)


voc = cases(state="voc")
UNREADABLE = (f"e of train in {DATA}|e (train) in {DATA}", "cannot be decoded", "prepare")
COMPACT = both(put("operation.store", "compact"), prepared("voc"), damaged)
CASES = (
    small("voc"),
    small("ade20k"),
    small("cityscapes"),
    Case(
        "upright picture, lying crop",
        both(upright, prepared("cityscapes")),
        (SIDEWAYS, "128x64", "square crop_size"),
        train("cityscapes"),
        state="cityscapes",
    ),
    voc("unreadable prepared picture", COMPACT, *UNREADABLE, command=train("voc")),
    voc("unreadable prepared picture, loader process", COMPACT, *UNREADABLE, command=train("voc", "workers=1")),
    voc(
        *("one cell for batch norm", prepared("voc"), "more than one cell", "batch_size 1"),
        command=train("voc", "crop_size=[32,32]", "batch_size=1"),
    ),
)
