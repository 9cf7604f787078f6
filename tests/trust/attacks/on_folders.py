"""Files and folders moved, swapped and copied, hashes and all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pointrend.files import read_json
from tests.trust.attacks.attack import Attack
from tests.trust.attacks.base import AGAIN, OTHER_RUN, RESULTS, RUN, VOC, train_anew
from tests.trust.attacks.site import Site

SECOND_SEED = "runs/paper/voc_r50-s1"
IN_BOTH = {
    "train.json": "is of run voc_r101 seed 0, not of run voc_r50 seed 0",
    "model.safetensors": "model.safetensors is not the one whose sha256 is in results.json",
    "metrics.jsonl": "metrics.jsonl is not the one that train.json names",
    "curve.csv": "curve.csv is not the one that train.json names",
    "metrics.json": "metrics.json scores other weights than train.json names",
    "confusion.parquet": "confusion.parquet is not the one that metrics.json was made from",
    "evaluate.json": "is of run voc_r101 seed 0, not of run voc_r50 seed 0",
    "scores.json": "scores.json does not follow from metrics.json",
}
"""Files of a run, and what is said where two runs have exchanged them."""


def swapped(name: str) -> Callable[[Site], Any]:
    return lambda site: site.swap(f"{RUN}/{name}", f"{OTHER_RUN}/{name}")


def swapped_pictures(site: Site) -> None:
    """Two drawings of one run."""
    one, other = sorted(site.path(f"{RUN}/pictures").iterdir())[:2]
    site.swap(str(one), str(other))


def swapped_models_scored(site: Site) -> None:
    swapped("model.safetensors")(site)
    site.point("evaluate voc_r50", expect=3)


def second_seed(site: Site) -> None:
    site.take(RUN, SECOND_SEED)
    site.put(seeds=[0, 1])


def copied_checkpoints(site: Site) -> None:
    """Every checkpoint of seed 0 in the folder of seed 1, of whose fingerprint nothing is known but its folder."""
    site.put(seeds=[0, 1])
    site.point("train voc_r50 --seed 1")
    (ours,) = site.path("checkpoints/paper/voc_r50-s1").iterdir()
    (theirs,) = site.path("checkpoints/paper/voc_r50-s0").iterdir()
    site.drop(SECOND_SEED)
    site.take(theirs, str(ours))
    site.point("train voc_r50 --seed 1", "evaluate voc_r50 --seed 1", expect=None)


def other_checkpoints(site: Site) -> None:
    """Those of a training with another lr, in the folder of the published one."""
    (ours,) = site.path("checkpoints/paper/voc_r50-s0").iterdir()
    with site.while_put(recipe__lr=0.5):
        site.point("train voc_r50")
    (theirs,) = set(site.path("checkpoints/paper/voc_r50-s0").iterdir()) - {ours}
    site.take(theirs, str(ours))
    site.point("train voc_r50", "evaluate voc_r50", expect=None)


def other_checkpoint_files(site: Site) -> None:
    """The same, file by file: the newest checkpoint alone, among those that are there."""
    (ours,) = site.path("checkpoints/paper/voc_r50-s0").iterdir()
    with site.while_put(recipe__lr=0.5):
        site.point("train voc_r50")
    (theirs,) = set(site.path("checkpoints/paper/voc_r50-s0").iterdir()) - {ours}
    for path in sorted(theirs.glob("*.safetensors")):
        for name in (path.name, f"{path.stem}.json"):
            site.take(theirs / name, str(ours / name))
    site.point("train voc_r50", "evaluate voc_r50", expect=None)


def unfinished_checkpoints_of_another(site: Site) -> None:
    """The middle of a training with another lr, in the folder of the published one, which goes on from there."""
    (ours,) = site.path("checkpoints/paper/voc_r50-s0").iterdir()
    with site.while_put(recipe__lr=0.5):
        site.point("train voc_r50")
    (theirs,) = set(site.path("checkpoints/paper/voc_r50-s0").iterdir()) - {ours}
    newest = max(theirs.glob("*.safetensors"))
    site.drop(str(newest), str(newest.with_suffix(".json")))
    site.take(theirs, str(ours))
    site.point("train voc_r50", "evaluate voc_r50", expect=None)


def data_of_another_scale(site: Site) -> None:
    """The same archives with a limit, prepared at scale pilot, in the place of paper's."""
    site.put(scales__pilot__limit=4, scales__pilot__pretrained=False)
    with site.env(POINTREND_SCALE="pilot", POINTREND_ARCHIVES=site.root.parent / "offered"):
        site.point("fetch voc", "prepare voc")
    site.take("data/pilot/voc", VOC)
    site.point("evaluate voc_r50", expect=2)


def data_files_of_another_scale(site: Site) -> None:
    """Only its files: the manifest is still paper's."""
    site.put(scales__pilot__limit=4, scales__pilot__pretrained=False)
    with site.env(POINTREND_SCALE="pilot", POINTREND_ARCHIVES=site.root.parent / "offered"):
        site.point("fetch voc", "prepare voc")
    for part in ("pictures.bin", "labels.bin", "index.json"):
        site.take(f"data/pilot/voc/val.{part}", f"{VOC}/val.{part}")
    site.point("evaluate voc_r50", expect=None)


def exchanged_splits(site: Site) -> None:
    """What was trained with is scored."""
    for part in ("pictures.bin", "labels.bin", "index.json"):
        site.swap(f"{VOC}/train.{part}", f"{VOC}/val.{part}")
    site.point("evaluate voc_r50", expect=None)


def exchanged_splits_trained(site: Site) -> None:
    exchanged_splits(site)
    train_anew(site, expect=None)


def run_of_another_scale(site: Site) -> None:
    site.put(scales__pilot__recipe={}, scales__pilot__limit=None, scales__pilot__pretrained=False)
    site.put(scales__pilot__inference="exact")
    with site.env(POINTREND_SCALE="pilot", POINTREND_ARCHIVES=site.root.parent / "offered"):
        site.point("fetch voc", "fetch backbone_r50", "prepare voc", *AGAIN)
    site.take("runs/pilot/voc_r50-s0", RUN)


def manifest_of_other_archives(site: Site) -> None:
    """data/paper/archives/voc.json as a fetch with pins writes it, and the archives with it."""
    manifest = site.json("data/paper/archives/voc.json")
    site.path("data/paper/archives/voc.json").write_text(
        str(manifest).replace("'", '"').replace("official", "pins-00000000")
    )
    site.point("prepare voc", expect=None)


def results_of_another_scale(site: Site) -> None:
    results = site.json(RESULTS)
    site.put(scales__pilot__pretrained=False)
    with site.env(POINTREND_SCALE="pilot"):
        site.point("compare")
    site.take("results/pilot/results.json", RESULTS)
    assert read_json(site.path(RESULTS)) != results


def released_as_trained(site: Site) -> None:
    """The folder of the released weights in the place of a training."""
    site.take("runs/paper/voc_r50-released", RUN)


def released_score_in_run(site: Site) -> None:
    """The score of the released weights, with the training's train.json."""
    for name in ("metrics.json", "confusion.parquet", "evaluate.json", "scores.json", "pictures"):
        site.take(f"runs/paper/voc_r50-released/{name}", f"{RUN}/{name}")


def linked(site: Site) -> None:
    """One run's folder is a link to the other's."""
    site.drop(RUN)
    site.path(RUN).symlink_to("voc_r101-s0")


OF_ANOTHER = "attempts.json is of voc_r50 seed 0 (fingerprint"
ATTACKS = (
    Attack("the folders of two runs swapped", "folders", lambda site: site.swap(RUN, OTHER_RUN), "is of run voc_r101"),
    Attack("a run that is a link to another", "folders", linked, "is of run voc_r101 seed 0, not of run voc_r50"),
    *(Attack(f"{name} of two runs swapped", "folders", swapped(name), reason) for name, reason in IN_BOTH.items()),
    Attack("two drawings swapped", "folders", swapped_pictures, "is not the one that metrics.json names"),
    Attack("models swapped, then evaluate", "folders", swapped_models_scored, "has another sha256 than when"),
    Attack("seed 0 copied to seed 1", "folders", second_seed, "is of run voc_r50 seed 0, not of run voc_r50 seed 1"),
    Attack("checkpoints of seed 0 for seed 1", "folders", copied_checkpoints, "seed"),
    Attack("checkpoints of another lr", "folders", other_checkpoints, OF_ANOTHER),
    Attack(
        "checkpoints of another lr among ours", "folders", other_checkpoint_files, "is of voc_r50 seed 0 (fingerprint"
    ),
    Attack(
        "half a training of another lr goes on", "folders", unfinished_checkpoints_of_another, OF_ANOTHER, long=True
    ),
    Attack("data of another scale", "folders", data_of_another_scale, "limit None"),
    Attack("val of another scale, manifest of ours", "folders", data_files_of_another_scale, "val."),
    Attack("train and val files exchanged, then evaluate", "folders", exchanged_splits, "val."),
    Attack("train and val files exchanged, then train", "folders", exchanged_splits_trained, "train."),
    Attack("a run of another scale", "folders", run_of_another_scale, "scale pilot"),
    Attack("the archives' manifest says pins", "folders", manifest_of_other_archives, "archives"),
    Attack("results.json of another scale", "folders", results_of_another_scale, "scale", then=("report", "verify")),
    Attack("released weights' folder as a run", "folders", released_as_trained, "voc_r50 not run"),
    Attack("released weights' score in a run", "folders", released_score_in_run, "scores other weights"),
)
