"""Verbs typed by hand, in another order, with other files, at the same time; and engines made to accept the disk."""

from __future__ import annotations

from typing import Any
from unittest import mock

from pointrend.evaluation import score as scoring
from pointrend.files import write_json
from pointrend.jobs.lease import lease
from pointrend.results.run_files import STALE
from tests.released import FIRST_NAME, offer_weights, thin_state
from tests.trust.attacks.attack import RIGHT, attacks
from tests.trust.attacks.base import (
    AGAIN,
    LIMIT_4,
    LR,
    OF_TRAINING,
    OTHER_RUN,
    OTHER_SHA,
    REFUSED,
    RUN,
    SECOND_SEED,
    TRAINED,
    VOC,
    at_hand,
    digests_of,
)
from tests.trust.attacks.site import Site, Step, restoring, under, while_put

RELEASED = "data/paper/archives/released_voc_r50"
EVALUATE, SCORE_RELEASED = "evaluate voc_r50", "evaluate voc_r50 --released"
OTHERS = {"POINTREND_ARCHIVES": "ROOT/other_weights"}


def offer_other_weights(site: Site) -> None:
    state = {name: tensor + 1 if tensor.is_floating_point() else tensor for name, tensor in thin_state().items()}
    site.path("other_weights").mkdir()
    offer_weights(site.path(f"other_weights/{FIRST_NAME}"), state)


def pins_of_them(site: Site) -> None:
    write_json(site.path("pins.json"), {"files": digests_of(site.path("other_weights"), [FIRST_NAME])})


def while_scoring(code: str, *before: Step, after: tuple[Step, ...] = ()) -> Step:
    """Something happens when everything was checked and scoring begins, and after it."""

    def step(site: Site) -> None:
        score = scoring.score

        def meanwhile(*arguments: Any) -> Any:
            site.do(*before)
            scores = score(*arguments)
            site.do(*after)
            return scores

        with mock.patch.object(scoring, "score", meanwhile):
            site.do(f"{EVALUATE} -> {code}")

    return step


def two_trainings(site: Site) -> None:
    """A second training of what is being trained."""
    (folder,) = site.path("checkpoints/paper/voc_r50-s0").iterdir()
    with lease(folder):
        site.do("train voc_r50 -> 2")


def of_seeds(seeds: str, ends: str) -> Any:
    """The verbs afterwards are the attack."""
    return attack(f"compare --seeds {seeds}", ends, **{"then": (f"compare --seeds {seeds}", *THEN), "touches": False})


THEN = ("report", "verify")
OTHER_WEIGHTS = "runs/paper/other.safetensors"
SCORE_GIVEN = f"evaluate voc_r50 --weights ../offered/{FIRST_NAME} --out"
PREPARED_SHORT = while_put(LIMIT_4, "prepare voc")
attack = attacks("verbs")
ON_VERBS = (
    attack(
        "evaluate --weights --out into a run", "only the stages|is in runs/", f"{SCORE_GIVEN} {RUN} -> 2", touches=False
    ),
    attack(
        *("evaluate --weights --out, copied to a run", "scores other weights", f"{SCORE_GIVEN} elsewhere"),
        f"take elsewhere/ {RUN}/ metrics.json confusion.parquet",
        wrong=True,
    ),
    attack("evaluate with a renamed model", OTHER_SHA, f"take {OTHER_RUN}/ {RUN}/ model.safetensors", REFUSED),
    attack("evaluate of a run copied over", "not of run voc_r50 seed 0", f"take {OTHER_RUN} {RUN}", REFUSED),
    attack(
        *("train --seed 1 copied over seed 0", "is of run voc_r50 seed 1"),
        *("train voc_r50 --seed 1", "evaluate voc_r50 --seed 1", f"take {SECOND_SEED} {RUN}"),
        wrong=True,
    ),
    attack(
        *("seed 1 scored as seed 0", "is of run voc_r50 seed 1", "train voc_r50 --seed 1"),
        *(f"take {SECOND_SEED}/ {RUN}/ {' '.join(OF_TRAINING)}", REFUSED),
    ),
    of_seeds("1", "not run"),
    of_seeds("0,1", RIGHT),
    of_seeds("0,0", "names 0 twice"),
    of_seeds("00", RIGHT),
    attack("--set gpus=2 compare", STALE, **{"then": ("--set gpus=2 compare", *THEN), "touches": False}),
    attack(
        *("evaluate --released with pins", "pins-", offer_other_weights, f"drop {RELEASED}", pins_of_them),
        under({"POINTREND_PINS": "ROOT/pins.json", **OTHERS}, "fetch released_voc_r50", f"{SCORE_RELEASED} -> ?"),
    ),
    attack(
        *("released weights offered anew", "is skipped: its sha256", offer_other_weights),
        *("drop data/archives/official", under(OTHERS, "fetch released_voc_r50 -> ?"), f"{SCORE_RELEASED} -> ?"),
    ),
    attack(
        *("released weights replaced", OTHER_SHA, offer_other_weights),
        *(f"take other_weights/ {RELEASED}/ {FIRST_NAME}", f"{SCORE_RELEASED} -> 3"),
    ),
    attack(
        *("weights exchanged while scored", "changed while it was scored"),
        while_put(LR, restoring(RUN, "train voc_r50", f"take {RUN}/model.safetensors {OTHER_WEIGHTS}")),
        while_scoring("3", f"take {OTHER_WEIGHTS} {RUN}/model.safetensors"),
    ),
    attack("labels exchanged while scored", "val.labels.bin", while_scoring("3", f"flip {VOC}/val.labels.bin")),
    attack("prepare with a limit while scored", "4 images of train were kept", while_scoring("?", PREPARED_SHORT)),
    attack(
        *("prepare with a limit and back while scored", "4 images were scored"),
        while_scoring("?", PREPARED_SHORT, after=("prepare voc",)),
    ),
    attack("two trainings at once", "is in use by", two_trainings),
    attack(
        *("prepared anew in the compact form", RIGHT, "put operation.store compact"),
        *("prepare voc", *TRAINED, SCORE_RELEASED),
        long=True,
    ),
)

SNAKEMAKE = "snakemake --cores 1"
COMMIT = "dvc commit --force --quiet"
PLANS = f"{SNAKEMAKE} -n -p => --scale paper"
PLANS_TRAIN = f"{PLANS} train voc_r50"
DVC_PLANS = "dvc status =>"
DVC_PLANS_TRAIN = f"{DVC_PLANS} train@paper-voc-r50-0"


def believing(options: str) -> tuple[Step, ...]:
    """Another lr, and a Snakemake that is told that nothing has to be done."""
    return f"put {LR}", f"{SNAKEMAKE} {options} -> ?", PLANS_TRAIN, DVC_PLANS_TRAIN


def made_again(name: str, verb: str) -> tuple[Step, ...]:
    """One output removed; the engine makes it again."""
    return f"drop {name}", f"{PLANS} {verb}", at_hand("offered", SNAKEMAKE)


def edited_through_a_link(site: Site) -> None:
    """With DVC's cache.type hardlink, who writes to an output in place changes the cache as well."""
    cached = site.path(".dvc/cache/files/md5/00/0")
    cached.parent.mkdir(parents=True)
    cached.hardlink_to(site.path(f"{RUN}/metrics.json"))
    miou = site.json(f"{RUN}/metrics.json")["miou"]
    site.edit(str(cached), f'"miou": {miou}', f'"miou": 9{miou}')


attack = attacks("engines", base="engines")
ATTACKS = (
    *ON_VERBS,
    attack(
        *("edited through a link of DVC's cache", "is of another scoring|is of a different", edited_through_a_link),
        **{"wrong": True, "base": "hand"},
    ),
    attack("lr edited, snakemake --touch", STALE, *believing("--touch")),
    attack(
        *("lr edited, snakemake --touch --forceall, bridge dvc", STALE, f"put {LR}"),
        *(f"{SNAKEMAKE} --touch --forceall -> ?", "bridge dvc -> 3", DVC_PLANS_TRAIN),
    ),
    attack("lr edited, --rerun-triggers mtime", STALE, *believing("--rerun-triggers mtime -n")),
    *(
        attack(f"lr edited, {options}", STALE, *believing(options))
        for options in (
            *("--allowed-rules compare report", "--omit-from train", "--until prepare --ignore-incomplete"),
        )
    ),
    attack(
        *("lr edited, dvc commit -f, bridge snakemake", STALE),
        *(f"put {LR}", COMMIT, "bridge snakemake -> 3", PLANS_TRAIN),
    ),
    attack(
        *("lr edited, dvc repro -s --force train", "scores other weights", f"put {LR}"),
        *("dvc repro --single-item --force train@paper-voc-r50-0", f"{DVC_PLANS} evaluate@paper-voc-r50-0"),
    ),
    attack(
        *("dvc checkout of an old dvc.lock, new params", STALE),
        *(restoring("dvc.lock", f"put {LR}", "dvc repro --quiet"), "dvc checkout --force --quiet"),
        PLANS_TRAIN,
    ),
    attack(
        *("snakemake with another lr, old params, mtime", STALE, while_put(LR, SNAKEMAKE)),
        *(f"{SNAKEMAKE} --rerun-triggers mtime --touch -> ?", PLANS_TRAIN),
        wrong=True,
    ),
    attack(
        *("runs swapped, snakemake --touch", "is of run voc_r101"),
        *(f"swap {RUN} {OTHER_RUN}", f"{SNAKEMAKE} --touch -> ?", PLANS_TRAIN),
    ),
    attack(
        *("limit while preparing, dvc commit -f", "4 images of train were kept", while_put(LIMIT_4, "prepare voc")),
        *(f"{COMMIT} -> ?", "bridge snakemake -> 3", "evaluate voc_r50 -> 2"),
    ),
    attack(
        *("--set lr=0.5 by hand, both engines forced", STALE, *(f"--set lr=0.5 {verb}" for verb in AGAIN)),
        *(f"{SNAKEMAKE} --touch --forceall -> ?", f"{COMMIT} -> ?"),
        *("bridge dvc -> 3", "bridge snakemake -> 3"),
        wrong=True,
    ),
    attack("evaluate.json removed, snakemake", RIGHT, *made_again(f"{RUN}/evaluate.json", "evaluate voc_r50")),
    attack("train.json removed, snakemake", RIGHT, *made_again(f"{RUN}/train.json", "train voc_r50")),
    attack("val labels removed, snakemake", RIGHT, *made_again(f"{VOC}/val.labels.bin", "prepare voc")),
)
