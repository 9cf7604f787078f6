"""Snakemake and DVC told to believe what is on the disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pointrend.results.run_files import STALE
from tests.trust.attacks.attack import RIGHT, Attack
from tests.trust.attacks.base import AGAIN, RUN, VOC, at_hand
from tests.trust.attacks.site import Site

SNAKEMAKE = "snakemake --cores 1"


def plans(site: Site, *commands: str) -> None:
    """What Snakemake would run, which must be these verbs."""
    site.must_say(site.engine(f"{SNAKEMAKE} -n -p"), *commands)


def dvc_plans(site: Site, *stages: str) -> None:
    site.must_say(site.engine("dvc status"), *stages)


def edited_lr(*commands: str) -> Callable[[Site], Any]:
    """Another lr in params.yaml, and commands that are to make an engine believe that nothing has to be done."""

    def steps(site: Site) -> None:
        site.put(recipe__lr=0.5)
        for command in commands:
            site.engine(command, expect=None)
        plans(site, "--scale paper train voc_r50")
        dvc_plans(site, "train@paper-voc-r50-0")

    return steps


def touched_then_bridged(site: Site) -> None:
    """Snakemake believes it; DVC is to believe Snakemake."""
    site.put(recipe__lr=0.5)
    site.engine(f"{SNAKEMAKE} --touch --forceall", expect=None)
    site.point("bridge dvc", expect=3)
    dvc_plans(site, "train@paper-voc-r50-0")


def committed_then_bridged(site: Site) -> None:
    """DVC believes it; Snakemake is to believe DVC."""
    site.put(recipe__lr=0.5)
    site.engine("dvc commit --force --quiet")
    site.point("bridge snakemake", expect=3)
    plans(site, "--scale paper train voc_r50")


def one_forced(site: Site) -> None:
    """Training alone is forced with another lr; the score is that of before."""
    site.put(recipe__lr=0.5)
    site.engine("dvc repro --single-item --force train@paper-voc-r50-0")
    dvc_plans(site, "evaluate@paper-voc-r50-0")


def old_lock(site: Site) -> None:
    """All of another lr by DVC, then dvc checkout of the dvc.lock of before, with the params of now."""
    with site.restored("dvc.lock"):
        site.put(recipe__lr=0.5)
        site.engine("dvc repro --quiet")
    site.engine("dvc checkout --force --quiet")
    plans(site, "--scale paper train voc_r50")


def old_params(site: Site) -> None:
    """All of another lr by Snakemake, then the params of before, and Snakemake is told to look at times alone."""
    with site.restored("params.yaml"):
        site.put(recipe__lr=0.5)
        site.engine(SNAKEMAKE)
    site.engine(f"{SNAKEMAKE} --rerun-triggers mtime --touch", expect=None)
    plans(site, "--scale paper train voc_r50")


def lost_output(name: str, *commands: str) -> Callable[[Site], Any]:
    """One output removed; the engine makes it again."""

    def steps(site: Site) -> None:
        site.drop(name)
        plans(site, *commands)
        with at_hand(site):
            site.engine(SNAKEMAKE)

    return steps


def swapped_then_run(site: Site) -> None:
    """The folders of two runs swapped, with an engine that looks at times."""
    site.swap(RUN, "runs/paper/voc_r101-s0")
    site.engine(f"{SNAKEMAKE} --touch", expect=None)
    plans(site, "--scale paper train voc_r50")


def limited_data(site: Site) -> None:
    """Data prepared with a limit, committed to DVC as they are."""
    with site.while_put(scales__paper__limit=4):
        site.point("prepare voc")
    site.engine("dvc commit --force --quiet", expect=None)
    site.point("bridge snakemake", expect=3)
    site.point("evaluate voc_r50", expect=2)


def trained_by_hand(site: Site) -> None:
    """--set, which no engine sees, and both engines told that all is done."""
    site.point(*(f"--set lr=0.5 {command}" for command in AGAIN))
    site.engine(f"{SNAKEMAKE} --touch --forceall", expect=None)
    site.engine("dvc commit --force --quiet", expect=None)
    site.point("bridge dvc", expect=3)
    site.point("bridge snakemake", expect=3)


def edited_through_a_link(site: Site) -> None:
    """With DVC's cache.type hardlink, who writes to an output in place changes the cache as well."""
    cached = site.path(".dvc/cache/files/md5/00/0")
    cached.parent.mkdir(parents=True)
    cached.hardlink_to(site.path(f"{RUN}/metrics.json"))
    miou = site.json(f"{RUN}/metrics.json")["miou"]
    site.edit(str(cached), f'"miou": {miou}', f'"miou": 9{miou}')


LINKED = "edited through a link of DVC's cache"
ATTACKS = (
    Attack(LINKED, "engines", edited_through_a_link, "is of another scoring", wrong=True),
    *(
        Attack(name, "engines", steps, ends, base="engines", **more)
        for name, steps, ends, more in (
            ("lr edited, snakemake --touch", edited_lr(f"{SNAKEMAKE} --touch"), STALE, {}),
            ("lr edited, snakemake --touch --forceall, bridge dvc", touched_then_bridged, STALE, {}),
            ("lr edited, --rerun-triggers mtime", edited_lr(f"{SNAKEMAKE} --rerun-triggers mtime -n"), STALE, {}),
            (
                "lr edited, --allowed-rules compare report",
                edited_lr(f"{SNAKEMAKE} --allowed-rules compare report"),
                STALE,
                {},
            ),
            ("lr edited, --omit-from train", edited_lr(f"{SNAKEMAKE} --omit-from train"), STALE, {}),
            (
                "lr edited, --until prepare --ignore-incomplete",
                edited_lr(f"{SNAKEMAKE} --until prepare --ignore-incomplete"),
                STALE,
                {},
            ),
            ("lr edited, dvc commit -f, bridge snakemake", committed_then_bridged, STALE, {}),
            ("lr edited, dvc repro -s --force train", one_forced, "scores other weights", {}),
            ("dvc checkout of an old dvc.lock, new params", old_lock, STALE, {}),
            ("snakemake with another lr, old params, mtime", old_params, STALE, {"wrong": True}),
            ("runs swapped, snakemake --touch", swapped_then_run, "is of run voc_r101", {}),
            ("limit while preparing, dvc commit -f", limited_data, "4 images of train were kept", {}),
            ("--set lr=0.5 by hand, both engines forced", trained_by_hand, STALE, {"wrong": True}),
            (
                "evaluate.json removed, snakemake",
                lost_output(f"{RUN}/evaluate.json", "--scale paper evaluate voc_r50"),
                RIGHT,
                {},
            ),
            (
                "train.json removed, snakemake",
                lost_output(f"{RUN}/train.json", "--scale paper train voc_r50"),
                RIGHT,
                {},
            ),
            (
                "val labels removed, snakemake",
                lost_output(f"{VOC}/val.labels.bin", "--scale paper prepare voc"),
                RIGHT,
                {},
            ),
        )
    ),
)
