"""Copies that are not whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.trust.attacks.attack import RIGHT, Attack
from tests.trust.attacks.base import RUN, VOC
from tests.trust.attacks.site import Site


def without(*names: str) -> Callable[[Site], Any]:
    return lambda site: site.drop(*names)


def cut(name: str, share: float = 0.5) -> Callable[[Site], Any]:
    """The first part of a file, as a copy leaves it that was broken off."""

    def steps(site: Site) -> None:
        data = site.path(name).read_bytes()
        site.path(name).write_bytes(data[: int(share * len(data))])

    return steps


def half_of_pictures(site: Site) -> None:
    site.drop(str(min(site.path(f"{RUN}/pictures").iterdir())))


def only_figures(site: Site) -> None:
    """What some would keep: the figure and its counts."""
    for path in site.path(RUN).iterdir():
        if path.name not in ("metrics.json", "confusion.parquet"):
            site.drop(str(path))


def cut_and_scored(site: Site) -> None:
    cut(f"{RUN}/model.safetensors")(site)
    site.point("evaluate voc_r50", expect=3)


def cut_val(site: Site) -> None:
    """The copy of val broke off after the labels of two images."""
    cut(f"{VOC}/val.labels.bin")(site)
    site.point("evaluate voc_r50", expect=None)


def resumed_copy(site: Site) -> None:
    """rsync --append: the end of one file, the beginning of another."""
    path, other = site.path(f"{RUN}/confusion.parquet"), site.path("runs/paper/voc_r101-s0/confusion.parquet")
    one, two = path.read_bytes(), other.read_bytes()
    path.write_bytes(two[: len(two) // 2] + one[len(two) // 2 :])


NOT_THERE = "is not there"
ATTACKS = (
    Attack("no train.json", "copies", without(f"{RUN}/train.json"), "voc_r50 not run"),
    Attack("no evaluate.json", "copies", without(f"{RUN}/evaluate.json"), "evaluate.json is not there"),
    Attack("no metrics.json", "copies", without(f"{RUN}/metrics.json"), "trained but not evaluated"),
    Attack("no confusion.parquet", "copies", without(f"{RUN}/confusion.parquet"), "is not the one that metrics.json"),
    Attack("no metrics.jsonl", "copies", without(f"{RUN}/metrics.jsonl"), "metrics.jsonl is not there"),
    Attack("half of the drawings", "copies", half_of_pictures, NOT_THERE),
    Attack("metrics.json and counts alone", "copies", only_figures, "not run"),
    Attack("a counts file cut off", "copies", cut(f"{RUN}/confusion.parquet"), "is not the one that metrics.json"),
    Attack("a counts file of two halves", "copies", resumed_copy, "is not the one that metrics.json"),
    Attack("a train.json cut off", "copies", cut(f"{RUN}/train.json"), "cannot read"),
    Attack("a metrics.jsonl cut off", "copies", cut(f"{RUN}/metrics.jsonl"), "is not the one that train.json names"),
    Attack("a model cut off, then evaluate", "copies", cut_and_scored, "has another sha256 than when"),
    Attack("val cut off, then evaluate", "copies", cut_val, "val.labels.bin"),
    Attack("no model: too large to be copied", "copies", without(f"{RUN}/model.safetensors"), RIGHT),
    Attack("no data: too large to be copied", "copies", without("data"), "manifest.json"),
    Attack("no published/definition.json", "copies", without("published/definition.json"), "definition.json"),
)
