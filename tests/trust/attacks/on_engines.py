"""Snakemake and DVC told to believe what is on the disk."""

from __future__ import annotations

from pointrend.results.run_files import STALE
from tests.trust.attacks.attack import RIGHT, attacks
from tests.trust.attacks.base import AGAIN, LIMIT_4, LR, OTHER_RUN, RUN, VOC, at_hand
from tests.trust.attacks.site import Site, Step, drop, engine, put, restoring, swap, while_put

SNAKEMAKE = "snakemake --cores 1"
COMMIT = "dvc commit --force --quiet"
TRAINS = "--scale paper train voc_r50"


def plans(command: str) -> Step:
    """What Snakemake would run, which must have this verb."""
    return engine(f"{SNAKEMAKE} -n -p", command)


def dvc_plans(stage: str) -> Step:
    return engine("dvc status", f"{stage}@paper-voc-r50-0")


def believing(options: str) -> tuple[Step, ...]:
    """Another lr, and a Snakemake that is told that nothing has to be done."""
    return put(LR), engine(f"{SNAKEMAKE} {options} -> ?"), plans(TRAINS), dvc_plans("train")


def made_again(name: str, verb: str) -> tuple[Step, ...]:
    """One output removed; the engine makes it again."""
    return drop(name), plans(f"--scale paper {verb}"), at_hand("offered", engine(SNAKEMAKE))


def edited_through_a_link(site: Site) -> None:
    """With DVC's cache.type hardlink, who writes to an output in place changes the cache as well."""
    cached = site.path(".dvc/cache/files/md5/00/0")
    cached.parent.mkdir(parents=True)
    cached.hardlink_to(site.path(f"{RUN}/metrics.json"))
    miou = site.json(f"{RUN}/metrics.json")["miou"]
    site.edit(str(cached), f'"miou": {miou}', f'"miou": 9{miou}')


attack = attacks("engines", base="engines")
ATTACKS = (
    attack(
        *("edited through a link of DVC's cache", "is of another scoring|is of a different", edited_through_a_link),
        **{"wrong": True, "base": "hand"},
    ),
    attack("lr edited, snakemake --touch", STALE, *believing("--touch")),
    attack(
        *("lr edited, snakemake --touch --forceall, bridge dvc", STALE, put(LR)),
        *(engine(f"{SNAKEMAKE} --touch --forceall -> ?"), "bridge dvc -> 3", dvc_plans("train")),
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
        *(put(LR), engine(COMMIT), "bridge snakemake -> 3", plans(TRAINS)),
    ),
    attack(
        *("lr edited, dvc repro -s --force train", "scores other weights", put(LR)),
        *(engine("dvc repro --single-item --force train@paper-voc-r50-0"), dvc_plans("evaluate")),
    ),
    attack(
        *("dvc checkout of an old dvc.lock, new params", STALE),
        *(restoring("dvc.lock", put(LR), engine("dvc repro --quiet")), engine("dvc checkout --force --quiet")),
        plans(TRAINS),
    ),
    attack(
        *("snakemake with another lr, old params, mtime", STALE, while_put(LR, engine(SNAKEMAKE))),
        *(engine(f"{SNAKEMAKE} --rerun-triggers mtime --touch -> ?"), plans(TRAINS)),
        wrong=True,
    ),
    attack(
        *("runs swapped, snakemake --touch", "is of run voc_r101"),
        *(swap(RUN, OTHER_RUN), engine(f"{SNAKEMAKE} --touch -> ?"), plans(TRAINS)),
    ),
    attack(
        *("limit while preparing, dvc commit -f", "4 images of train were kept", while_put(LIMIT_4, "prepare voc")),
        *(engine(f"{COMMIT} -> ?"), "bridge snakemake -> 3", "evaluate voc_r50 -> 2"),
    ),
    attack(
        *("--set lr=0.5 by hand, both engines forced", STALE, *(f"--set lr=0.5 {verb}" for verb in AGAIN)),
        *(engine(f"{SNAKEMAKE} --touch --forceall -> ?"), engine(f"{COMMIT} -> ?")),
        *("bridge dvc -> 3", "bridge snakemake -> 3"),
        wrong=True,
    ),
    attack("evaluate.json removed, snakemake", RIGHT, *made_again(f"{RUN}/evaluate.json", "evaluate voc_r50")),
    attack("train.json removed, snakemake", RIGHT, *made_again(f"{RUN}/train.json", "train voc_r50")),
    attack("val labels removed, snakemake", RIGHT, *made_again(f"{VOC}/val.labels.bin", "prepare voc")),
)
