"""What the environment adds, for some stages and not for others."""

from __future__ import annotations

from pointrend.files import sha256_file, write_json
from tests.trust.attacks.attack import RIGHT, attacks
from tests.trust.attacks.base import AGAIN, RUN, VOC, anew, at_hand, digests_of, forget_archives
from tests.trust.attacks.site import Site, Step, drop, from_now, under

PINS = {"POINTREND_PINS": "ROOT/pins.json"}
DEMO = {"POINTREND_SCALE": "demo"}
ROUNDED = {"NVIDIA_TF32_OVERRIDE": "1"}
ALL = ("fetch voc", "fetch backbone_r50", "prepare voc", *AGAIN)


def pins_of(folder: str) -> Step:
    """A file for POINTREND_PINS with the checksums of the archives in a folder beside the checkout."""
    return lambda site: write_json(site.path("pins.json"), {"files": digests_of(site.root.parent / folder)})


def pinned(*commands: str) -> Step:
    """Fetch other archives under their own pins, and take more steps like that."""
    return lambda site: site.do(forget_archives, pins_of("others"), under(PINS, at_hand("others", *commands)))


def right_pins(site: Site) -> None:
    """Checksums from outside, though only those of the official archives."""
    site.do(pins_of("offered"), from_now(PINS), at_hand("offered", *ALL))


def other_params_file(site: Site) -> None:
    params = site.params()
    params["recipe"]["lr"] = 0.5
    site.write_params(params, "mine.yaml")
    site.do(under({"POINTREND_PARAMS": "mine.yaml"}, *AGAIN))


def hostile_stage(site: Site) -> None:
    """Somebody has put other images where the data are staged to."""
    stage = f"tmp/pointrend-{sha256_file(site.path(f'{VOC}/manifest.json'))[:16]}"
    site.take(VOC, stage)
    site.flip(f"{stage}/train.pictures.bin")
    site.put("operation.stage_to_tmpdir", True)
    site.do(under({"TMPDIR": "ROOT/tmp"}, anew()))


def left_over(**values: str) -> Step:
    """Train anew with what another program has left in the environment."""
    return lambda site: site.do(drop("checkpoints", RUN), under(values, "train voc_r50 -> ?"), *AGAIN)


attack = attacks("environment")
ATTACKS = (
    attack("POINTREND_PINS until the score", "archives pins-", pinned(*ALL), wrong=True),
    attack(
        *("POINTREND_PINS until prepare", "prepared from the archives pins-"),
        *(pinned("fetch voc", "prepare voc"), "train voc_r50 -> 2"),
    ),
    attack(
        *("POINTREND_PINS for fetch alone", "had md5", pinned("fetch voc")),
        *("prepare voc -> ?", *(f"{verb} -> ?" for verb in AGAIN)),
    ),
    attack("POINTREND_PINS, kept", "archives pins-", pinned(*ALL), from_now(PINS), wrong=True),
    attack("POINTREND_PINS of the official checksums, kept", "archives pins-", right_pins),
    attack("POINTREND_PINS for compare alone", "archives official, not pins-", pins_of("others"), from_now(PINS)),
    attack(
        *("the file of POINTREND_PINS edited after the score", "archives pins-", right_pins, pins_of("others")),
        long=True,
    ),
    attack(
        *("a wrong file in POINTREND_ARCHIVES", "is passed over|is skipped"),
        *(forget_archives, at_hand("others", "fetch voc -> 2")),
    ),
    attack("POINTREND_PARAMS for train and evaluate", "stale: trained", other_params_file, wrong=True),
    attack("POINTREND_SCALE=demo for train", RIGHT, under(DEMO, "train voc_r50 -> 2"), touches=False),
    attack("POINTREND_SCALE=demo for compare", RIGHT, from_now(DEMO), touches=False),
    attack("other images where data are staged to", RIGHT, hostile_stage),
    attack("WORLD_SIZE=2 left over", RIGHT, left_over(WORLD_SIZE="2", RANK="0")),
    attack("RANK=1 left over", RIGHT, left_over(RANK="1", LOCAL_RANK="1"), long=True),
    attack("NVIDIA_TF32_OVERRIDE=1", "NVIDIA_TF32_OVERRIDE=1 (", under(ROUNDED, anew())),
    attack(
        *("NVIDIA_TF32_OVERRIDE=1 in a first attempt", "NVIDIA_TF32_OVERRIDE=1 ("),
        *(under(ROUNDED, anew("train voc_r50")), drop(f"{RUN}/train.json"), *AGAIN),
        long=True,
    ),
    attack(
        *("oneDNN told to use bfloat16", "FPMATH_MODE=BF16 ("),
        under({"ONEDNN_DEFAULT_FPMATH_MODE": "BF16"}, anew()),
    ),
    attack("POINTREND_ENGINE left over", RIGHT, left_over(POINTREND_ENGINE="snakemake"), long=True),
)
