"""Copies that are not whole."""

from __future__ import annotations

from tests.trust.attacks.attack import RIGHT, attacks
from tests.trust.attacks.base import OTHER_RUN, OTHER_SHA, RUN, VOC
from tests.trust.attacks.site import Site, Step, drop
from tests.trust.cases import MISSING, cut


def only_figures(site: Site) -> None:
    """What some would keep: the figure and its counts."""
    for path in site.path(RUN).iterdir():
        if path.name not in ("metrics.json", "confusion.parquet"):
            site.drop(str(path))


def resumed_copy(site: Site) -> None:
    """rsync --append: the end of one file, the beginning of another."""
    path, other = (site.path(f"{run}/confusion.parquet") for run in (RUN, OTHER_RUN))
    one, two = path.read_bytes(), other.read_bytes()
    path.write_bytes(two[: len(two) // 2] + one[len(two) // 2 :])


def lost(name: str) -> Step:
    return drop(f"{RUN}/{name}")


def half(name: str) -> Step:
    """A file as a copy leaves it that was broken off."""
    return cut(f"{RUN}/{name}")


OTHER_COUNTS = "is not the one that metrics.json"
attack = attacks("copies")
ATTACKS = (
    attack("no train.json", "voc_r50 not run", lost("train.json")),
    attack("no evaluate.json", "evaluate.json is not there|evaluate.json not found", lost("evaluate.json")),
    attack("no metrics.json", "trained but not evaluated", lost("metrics.json")),
    attack("no confusion.parquet", OTHER_COUNTS, lost("confusion.parquet")),
    attack("no metrics.jsonl", "metrics.jsonl is not there|metrics.jsonl not found", lost("metrics.jsonl")),
    attack("half of the drawings", MISSING, lambda site: min(site.path(f"{RUN}/pictures").iterdir()).unlink()),
    attack("metrics.json and counts alone", "not run", only_figures),
    attack("a counts file cut off", OTHER_COUNTS, half("confusion.parquet")),
    attack("a counts file of two halves", OTHER_COUNTS, resumed_copy),
    attack("a train.json cut off", "cannot read", half("train.json")),
    attack("a metrics.jsonl cut off", "is not the one that train.json names", half("metrics.jsonl")),
    attack("a model cut off, then evaluate", OTHER_SHA, half("model.safetensors"), "evaluate voc_r50 -> 3"),
    attack("val cut off, then evaluate", "val.labels.bin", cut(f"{VOC}/val.labels.bin"), "evaluate voc_r50 -> ?"),
    attack("no model: too large to be copied", RIGHT, lost("model.safetensors")),
    attack("no data: too large to be copied", "manifest.json", drop("data")),
    attack("no published/definition.json", "definition.json", drop("published/definition.json")),
)
