"""Files and folders moved, swapped and copied, hashes and all; and copies that are not whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.trust.attacks.attack import RIGHT, attack
from tests.trust.attacks.base import (
    AGAIN,
    AGAIN_OR_NOT,
    ANEW_OR_NOT,
    LR,
    OF_SCORE,
    OTHER_RUN,
    PARTS,
    RELEASED_RUN,
    RESULTS,
    RUN,
    SECOND_SEED,
    TRIED,
    VOC,
)
from tests.trust.attacks.site import Site, Step, under, while_put
from tests.trust.cases import MISSING, cut

OF_R101 = "is of run voc_r101 seed 0, not of run voc_r50"
# files of a run, and what is said where two runs have exchanged them
IN_BOTH = {
    "train.json": OF_R101,
    "model.safetensors": "model.safetensors is not the one that results/paper/results.json names",
    "metrics.jsonl": "metrics.jsonl is not the one that train.json names",
    "curve.csv": "curve.csv is not the one that train.json names",
    "metrics.json": "metrics.json scores other weights than train.json names",
    "confusion.parquet": "confusion.parquet is not the one that metrics.json names",
    "matrix.parquet": "matrix.parquet is not the one that metrics.json names",
    "evaluate.json": OF_R101,
}
OF_SEED_0 = "is of voc_r50 seed 0 (fingerprint"
SHORT = ("put scales.pilot.limit 4", "put scales.pilot.pretrained false")


def at_pilot(*steps: str) -> Step:
    return under({"POINTREND_SCALE": "pilot", "POINTREND_ARCHIVES": "ROOT/../offered"}, *steps)


def swapped_pictures(site: Site) -> None:
    one, other = sorted(site.path(f"{RUN}/pictures").iterdir())[:2]
    site.swap(str(one), str(other))


def other_checkpoints(copy: Callable[[Site, Path, Path], Any]) -> Step:
    """Copy from the checkpoints of a training with another lr to those of the published one, which goes on."""

    def step(site: Site) -> None:
        (ours,) = site.path("checkpoints/paper/voc_r50-s0").iterdir()
        site.do(while_put(LR, "train voc_r50"))
        (theirs,) = set(ours.parent.iterdir()) - {ours}
        copy(site, theirs, ours)
        site.do(*AGAIN_OR_NOT)

    return step


def file_by_file(site: Site, theirs: Path, ours: Path) -> None:
    for path in sorted(theirs.glob("*.safetensors")):
        for name in (path.name, f"{path.stem}.json"):
            site.take(theirs / name, ours / name)


def checkpoints_of_seed_0(site: Site) -> None:
    """In the folder of seed 1, of whose fingerprint nothing is known but its folder."""
    site.do("put seeds [0, 1]", "train voc_r50 --seed 1")
    (ours,) = site.path("checkpoints/paper/voc_r50-s1").iterdir()
    (theirs,) = site.path("checkpoints/paper/voc_r50-s0").iterdir()
    site.drop(SECOND_SEED)
    site.take(theirs, ours)
    site.do("train voc_r50 --seed 1 -> ?", "evaluate voc_r50 --seed 1 -> ?")


def manifest_says_pins(site: Site) -> None:
    """The archives' manifest as a fetch with pins writes it."""
    path = site.path("data/paper/archives/voc.json")
    path.write_text(path.read_text().replace("official", "pins-00000000"))
    site.do("prepare voc -> ?")


def results_of_another_scale(site: Site) -> None:
    results = site.json(RESULTS)
    site.do("put scales.pilot.pretrained false", under({"POINTREND_SCALE": "pilot"}, "compare"))
    site.take("results/pilot/results.json", RESULTS)
    assert site.json(RESULTS) != results


EXCHANGED = f"swap {VOC}/train. {VOC}/val. {' '.join(PARTS)}"
ON_FOLDERS = (
    attack("the folders of two runs swapped", "is of run voc_r101", f"swap {RUN} {OTHER_RUN}"),
    attack(
        *("a run that is a link to another", OF_R101, f"drop {RUN}"),
        lambda site: site.path(RUN).symlink_to("voc_r101-s0"),
    ),
    *(
        attack(f"{name} of two runs swapped", reason, f"swap {RUN}/ {OTHER_RUN}/ {name}")
        for name, reason in IN_BOTH.items()
    ),
    attack("two drawings swapped", "is not the one that metrics.json names", swapped_pictures),
    attack(
        *("seed 0 copied to seed 1", "is of run voc_r50 seed 0, not of run voc_r50 seed 1"),
        *(f"take {RUN} {SECOND_SEED}", "put seeds [0, 1]"),
    ),
    attack("checkpoints of seed 0 for seed 1", "seed", checkpoints_of_seed_0),
    attack(
        *("checkpoints of another lr", f"attempts.json {OF_SEED_0}"),
        other_checkpoints(lambda site, theirs, ours: site.take(theirs, ours)),
    ),
    attack("checkpoints of another lr among ours", OF_SEED_0, other_checkpoints(file_by_file)),
    attack(
        *("data of another scale", "limit None", *SHORT, at_pilot("fetch voc", "prepare voc")),
        *(f"take data/pilot/voc {VOC}", "evaluate voc_r50 -> 2"),
    ),
    attack(
        *("val of another scale, manifest of ours", "val.", *SHORT, at_pilot("fetch voc", "prepare voc")),
        *(f"take data/pilot/voc/val. {VOC}/val. {' '.join(PARTS)}", TRIED),
    ),
    attack("train and val files exchanged, then train", "train.", EXCHANGED, TRIED, *ANEW_OR_NOT),
    attack(
        *("a run of another scale", "scale pilot"),
        *("put scales.pilot.recipe {}", "put scales.pilot.limit null", "put scales.pilot.pretrained false"),
        "put scales.pilot.inference exact",
        at_pilot("fetch voc", "fetch backbone_r50", "prepare voc", *AGAIN),
        f"take runs/pilot/voc_r50-s0 {RUN}",
    ),
    attack("the archives' manifest says pins", "archives", manifest_says_pins),
    attack("results.json of another scale", "scale", results_of_another_scale, then=("report", "verify")),
    attack("released weights' folder as a run", "voc_r50 not run", f"take {RELEASED_RUN} {RUN}"),
    attack(
        *("released weights' score in a run", "scores other weights"),
        f"take {RELEASED_RUN}/ {RUN}/ {' '.join(OF_SCORE)}",
    ),
)


def lost(name: str) -> Step:
    return f"drop {RUN}/{name}"


def half(name: str) -> Step:
    """A file as a copy leaves it that was broken off."""
    return cut(f"{RUN}/{name}")


OTHER_COUNTS = "is not the one that metrics.json"
ATTACKS = (
    *ON_FOLDERS,
    attack("no train.json", "voc_r50 not run", lost("train.json")),
    attack("no evaluate.json", "evaluate.json does not exist", lost("evaluate.json")),
    attack("no metrics.json", "trained but not evaluated", lost("metrics.json")),
    attack("no confusion.parquet", "confusion.parquet does not exist", lost("confusion.parquet")),
    attack("no metrics.jsonl", "metrics.jsonl does not exist", lost("metrics.jsonl")),
    attack("half of the drawings", MISSING, lambda site: min(site.path(f"{RUN}/pictures").iterdir()).unlink()),
    attack("a counts file cut off", OTHER_COUNTS, half("confusion.parquet")),
    attack("a train.json cut off", "cannot read", half("train.json")),
    attack("no model: too large to be copied", RIGHT, lost("model.safetensors")),
    attack("no data: too large to be copied", "manifest.json", "drop data"),
    attack("no published/definition.json", "definition.json", "drop published/definition.json"),
)
