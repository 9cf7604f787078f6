"""What the environment adds, for some stages and not for others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pointrend.files import sha256_file, write_json
from tests.trust.attacks.attack import RIGHT, Attack
from tests.trust.attacks.base import AGAIN, RUN, VOC, at_hand, digests_of, forget_archives, train_anew
from tests.trust.attacks.site import Site

PINS = "pins.json"


def write_pins(site: Site, folder: str = "others") -> Path:
    """A file for POINTREND_PINS with the checksums of the archives in a folder beside the checkout."""
    write_json(site.path(PINS), {"files": digests_of(site.root.parent / folder)})
    return site.path(PINS)


def pins_until_scored(site: Site) -> None:
    forget_archives(site)
    with site.env(POINTREND_PINS=write_pins(site)), at_hand(site, "others"):
        site.point("fetch voc", "fetch backbone_r50", "prepare voc", *AGAIN)


def pins_until_prepared(site: Site) -> None:
    forget_archives(site)
    with site.env(POINTREND_PINS=write_pins(site)), at_hand(site, "others"):
        site.point("fetch voc", "prepare voc")
    site.point("train voc_r50", expect=2)


def pins_while_fetched(site: Site) -> None:
    """The archives are those of the pins; they are prepared without the pins."""
    forget_archives(site)
    with site.env(POINTREND_PINS=write_pins(site)), at_hand(site, "others"):
        site.point("fetch voc")
    site.point("prepare voc", expect=None)
    site.point(*AGAIN, expect=None)


def pins_kept(site: Site) -> None:
    pins_until_scored(site)
    site.environment["POINTREND_PINS"] = str(site.path(PINS))


def right_pins_kept(site: Site) -> None:
    """Checksums of one's own, if only those of the official archives."""
    site.environment["POINTREND_PINS"] = str(write_pins(site, "offered"))
    with at_hand(site):
        site.point("fetch voc", "fetch backbone_r50", "prepare voc", *AGAIN)


def pins_for_compare(site: Site) -> None:
    site.environment["POINTREND_PINS"] = str(write_pins(site))


def pins_edited(site: Site) -> None:
    """Pins of the official archives until the score, then other ones in the same file."""
    right_pins_kept(site)
    write_pins(site)


def wrong_file_at_hand(site: Site) -> None:
    forget_archives(site)
    with at_hand(site, "others"):
        site.point("fetch voc", expect=2)


def other_params_file(site: Site) -> None:
    params = site.params()
    params["recipe"]["lr"] = 0.5
    site.write_params(params, "mine.yaml")
    with site.env(POINTREND_PARAMS="mine.yaml"):
        site.point(*AGAIN)


def other_scale(site: Site) -> None:
    with site.env(POINTREND_SCALE="demo"):
        site.point("train voc_r50", expect=2)


def other_scale_kept(site: Site) -> None:
    site.environment["POINTREND_SCALE"] = "demo"


def hostile_stage(site: Site) -> None:
    """Somebody has put other images where the data are staged to."""
    stage = f"tmp/pointrend-{sha256_file(site.path(f'{VOC}/manifest.json'))[:16]}"
    site.take(VOC, stage)
    site.flip(f"{stage}/train.pictures.bin")
    site.put(operation__stage_to_tmpdir=True)
    with site.env(TMPDIR=site.path("tmp")):
        train_anew(site)


def left_over(**values: str) -> Callable[[Site], Any]:
    """Train anew with what another program has left in the environment."""

    def steps(site: Site) -> None:
        site.drop("checkpoints", RUN)
        with site.env(**values):
            site.point("train voc_r50", expect=None)
        site.point(*AGAIN)

    return steps


def less_exact(**values: str) -> Callable[[Site], Any]:
    """Train and score with libraries that are told to round."""

    def steps(site: Site) -> None:
        with site.env(**values):
            train_anew(site)

    return steps


def less_exact_first_attempt(site: Site) -> None:
    """The first attempt of a training alone, which the record of the last one does not name."""
    site.drop("checkpoints", RUN)
    with site.env(NVIDIA_TF32_OVERRIDE="1"):
        site.point("train voc_r50")
    site.drop(f"{RUN}/train.json")
    site.point(*AGAIN)


ATTACKS = (
    Attack("POINTREND_PINS until the score", "environment", pins_until_scored, "archives pins-", wrong=True),
    Attack("POINTREND_PINS until prepare", "environment", pins_until_prepared, "prepared from the archives pins-"),
    Attack("POINTREND_PINS for fetch alone", "environment", pins_while_fetched, "had md5"),
    Attack("POINTREND_PINS, kept", "environment", pins_kept, "archives pins-", wrong=True),
    Attack("POINTREND_PINS of the official checksums, kept", "environment", right_pins_kept, "archives pins-"),
    Attack("POINTREND_PINS for compare alone", "environment", pins_for_compare, "archives official, not pins-"),
    Attack(
        "the file of POINTREND_PINS edited after the score", "environment", pins_edited, "archives pins-", long=True
    ),
    Attack("a wrong file in POINTREND_ARCHIVES", "environment", wrong_file_at_hand, "is passed over"),
    Attack("POINTREND_PARAMS for train and evaluate", "environment", other_params_file, "stale: trained", wrong=True),
    Attack("POINTREND_SCALE=demo for train", "environment", other_scale, RIGHT, touches=False),
    Attack("POINTREND_SCALE=demo for compare", "environment", other_scale_kept, RIGHT, touches=False),
    Attack("other images where data are staged to", "environment", hostile_stage, RIGHT),
    Attack("WORLD_SIZE=2 left over", "environment", left_over(WORLD_SIZE="2", RANK="0"), RIGHT),
    Attack("RANK=1 left over", "environment", left_over(RANK="1", LOCAL_RANK="1"), RIGHT, long=True),
    Attack(
        "NVIDIA_TF32_OVERRIDE=1", "environment", less_exact(NVIDIA_TF32_OVERRIDE="1"), "NVIDIA_TF32_OVERRIDE=1 (which"
    ),
    Attack(
        "NVIDIA_TF32_OVERRIDE=1 in a first attempt",
        "environment",
        less_exact_first_attempt,
        "NVIDIA_TF32_OVERRIDE=1 (which",
        long=True,
    ),
    Attack(
        "oneDNN told to use bfloat16",
        "environment",
        less_exact(ONEDNN_DEFAULT_FPMATH_MODE="BF16"),
        "FPMATH_MODE=BF16 (which",
    ),
    Attack("POINTREND_ENGINE left over", "environment", left_over(POINTREND_ENGINE="snakemake"), RIGHT, long=True),
)
