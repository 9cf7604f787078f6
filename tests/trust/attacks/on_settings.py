"""params.yaml, --set and the environment changed between the stages."""

from __future__ import annotations

from pointrend.files import sha256_file, write_json
from pointrend.results.run_files import STALE, STALE_SCORE
from tests.trust.attacks.attack import RIGHT, attacks
from tests.trust.attacks.base import (
    AGAIN,
    AGAIN_OR_NOT,
    ANEW,
    FORGET_ARCHIVES,
    FORGET_RUN,
    LIMIT_4,
    LR,
    RUN,
    SHOWN,
    VOC,
    at_hand,
    digests_of,
    other_archives,
)
from tests.trust.attacks.site import Site, Step, edit, restoring, under, while_put

LIMIT = "4 images of train were kept"
# what a training follows from, by what the attack calls it, and another value
KEYS = {
    "lr": LR,
    "momentum": "recipe.momentum 0.0",
    "epochs": "datasets.voc.recipe.epochs 1",
    "crop_size": "datasets.voc.recipe.crop_size [16, 16]",
    "coarse_loss_weight": "recipe.coarse_loss_weight 0.0",
    "precision": "recipe.precision bf16",
    "weight_decay": "recipe.weight_decay 0.5",
    "depth": "backbones.r50.depth 101",
}
KEPT = {
    "weight_decay 0.5": ("recipe.weight_decay 0.5", "weight_decay 0.5 (published 0.0005)"),
    "precision bf16": ("recipe.precision bf16", "precision bf16 (published float32)"),
    "an lr of the run": ("runs.voc_r50.lr 0.5", "lr 0.5 (published 0.02)"),
    "an lr of the scale": ("scales.paper.recipe.lr 0.5", "lr 0.5 (published 0.02)"),
    "subdivision_points 8": ("recipe.subdivision_points 8", "subdivision_points 8 (published 128)"),
}
QUICK = ("lr", "depth", "an lr of the run")  # those that the suite tries
TYPED = {"subdivision_steps=0": True, "base_size=[96,64]": True, "inference=bf16": True, "inference=fast": False}
WRONG_AND_LONG = {"wrong": True, "long": True}


def any_archives(site: Site) -> None:
    """Any archives of these names will do."""
    site.put("datasets.voc.archives", [{"name": pin["name"]} for pin in site.params()["datasets"]["voc"]["archives"]])


def at_lr(*verbs: str) -> tuple[str, ...]:
    return tuple(f"--set lr=0.5 {verb}" for verb in verbs)


attack = attacks("params")
ON_PARAMS = (
    attack("limit 4 while preparing", LIMIT, while_put(LIMIT_4, "prepare voc"), "evaluate voc_r50 -> 2"),
    attack(
        *("limit 4 while preparing, training and scoring", LIMIT, while_put(LIMIT_4, "prepare voc", *AGAIN)),
        wrong=True,
    ),
    attack(
        *("limit 4 while preparing and training alone", STALE, while_put(LIMIT_4, "prepare voc", "train voc_r50")),
        *("prepare voc", "evaluate voc_r50"),
        wrong=True,
    ),
    attack("limit 4, kept", "4 images of val (published 5)", f"put {LIMIT_4}", "prepare voc", *AGAIN, wrong=True),
    attack("limit 4 while scoring", "limit 4", while_put(LIMIT_4, "evaluate voc_r50 -> 2"), touches=False),
    attack(
        *("2 val images asked for while preparing", "val"),
        while_put("scales.paper.images {train: 8, val: 2}", "prepare voc -> 2"),
        touches=False,
    ),
    attack("other checksums until the score", "had md5", restoring("params.yaml", other_archives(*AGAIN)), wrong=True),
    attack(
        *("other checksums while preparing", "had md5", restoring("params.yaml", other_archives())),
        *("train voc_r50 -> 2", "evaluate voc_r50 -> 2"),
    ),
    attack(
        *("no checksums, other archives", "benchmark.tgz with md5", FORGET_ARCHIVES, any_archives),
        at_hand("others", "fetch voc", "prepare voc", *AGAIN),
        wrong=True,
    ),
    attack("no archives in params.yaml", RIGHT, "put datasets.voc.archives []"),
    attack(
        *("drawn data, kept", "archives demo", FORGET_ARCHIVES, "put scales.paper.data drawn"),
        *("put scales.paper.images {train: 8, val: 5}", "fetch voc", "prepare voc", *AGAIN),
        **WRONG_AND_LONG,
    ),
    *(
        attack(
            *(f"another {name} while training and scoring", STALE, while_put(change, *AGAIN)),
            **{"wrong": True, "long": name not in QUICK},
        )
        for name, change in KEYS.items()
    ),
    *(
        attack(f"{name}, kept", reason, f"put {change}", *AGAIN, long=name not in QUICK)
        for name, (change, reason) in KEPT.items()
    ),
    attack("an edit after the score", STALE, "put recipe.subdivision_steps 0"),
    attack("inference fast after the score", STALE_SCORE, "put scales.paper.inference fast"),
    *(
        attack(f"--set {value} evaluate", STALE_SCORE, f"--set {value} evaluate voc_r50", wrong=wrong)
        for value, wrong in TYPED.items()
    ),
    attack("--set lr=0.5 train, plain evaluate", STALE, *at_lr("train voc_r50"), "evaluate voc_r50", wrong=True),
    attack(
        *("--set width=8 train and evaluate", STALE, *(f"--set width=8 {verb}" for verb in AGAIN)), **WRONG_AND_LONG
    ),
    attack("another seed asked for after the score", RIGHT, "put seeds [0, 1]"),
    attack(
        *("lr twice in params.yaml", "duplicate key 'lr'"),
        *(edit("params.yaml", "\n  lr: 0.02\n", "\n  lr: 0.02\n  lr: 0.5\n"), "train voc_r50 -> 2"),
    ),
    attack(
        *("lr 5e-1, which is a text to YAML 1.1 alone", "another in YAML 1.2"),
        *("put recipe.lr 5e-1", "train voc_r50 -> 2"),
    ),
    attack(
        *("--set lr=0.5 for every verb", "lr 0.5 (published 0.02)", *at_lr(*AGAIN)),
        **{"wrong": True, "then": at_lr(*SHOWN)},
    ),
    attack(
        *("the run of another backbone", "every dataset with every|each dataset"),
        *("put runs.voc_r50.backbone r101", "train voc_r50 -> 2"),
    ),
)

PINS = {"POINTREND_PINS": "ROOT/pins.json"}
DEMO = {"POINTREND_SCALE": "demo"}
ROUNDED = {"NVIDIA_TF32_OVERRIDE": "1"}
ALL = ("fetch voc", "fetch backbone_r50", "prepare voc", *AGAIN)


def pins_of(folder: str) -> Step:
    """A file for POINTREND_PINS with the checksums of the archives in a folder beside the checkout."""
    return lambda site: write_json(site.path("pins.json"), {"files": digests_of(site.root.parent / folder)})


def pinned(*commands: str) -> Step:
    """Fetch other archives under their own pins, and take more steps like that."""
    return lambda site: site.do(FORGET_ARCHIVES, pins_of("others"), under(PINS, at_hand("others", *commands)))


def right_pins(site: Site) -> None:
    """Checksums from outside, though only those of the official archives."""
    site.do(pins_of("offered"), under(PINS), at_hand("offered", *ALL))


def other_params_file(site: Site) -> None:
    params = site.params()
    params["recipe"]["lr"] = 0.5
    site.write_params(params, "mine.yaml")
    site.do(under({"POINTREND_PARAMS": "mine.yaml"}, *AGAIN))


def hostile_stage(site: Site) -> None:
    """Somebody has put other images where the data are staged to."""
    stage = f"tmp/pointrend-{sha256_file(site.path(f'{VOC}/manifest.json'))[:16]}"
    site.do(f"take {VOC} {stage}", f"flip {stage}/train.pictures.bin", "put operation.stage_to_tmpdir true")
    site.do(under({"TMPDIR": "ROOT/tmp"}, *ANEW))


def left_over(**values: str) -> Step:
    """Train anew with what another program has left in the environment."""
    return lambda site: site.do(FORGET_RUN, under(values, "train voc_r50 -> ?"), *AGAIN)


attack = attacks("environment")
ATTACKS = (
    *ON_PARAMS,
    attack("POINTREND_PINS until the score", "archives pins-", pinned(*ALL), wrong=True),
    attack(
        *("POINTREND_PINS until prepare", "prepared from the archives pins-"),
        *(pinned("fetch voc", "prepare voc"), "train voc_r50 -> 2"),
    ),
    attack("POINTREND_PINS for fetch alone", "had md5", pinned("fetch voc"), "prepare voc -> ?", *AGAIN_OR_NOT),
    attack("POINTREND_PINS, kept", "archives pins-", pinned(*ALL), under(PINS), wrong=True),
    attack("POINTREND_PINS of the official checksums, kept", "archives pins-", right_pins),
    attack("POINTREND_PINS for compare alone", "archives official, not pins-", pins_of("others"), under(PINS)),
    attack(
        *("the file of POINTREND_PINS edited after the score", "archives pins-", right_pins, pins_of("others")),
        long=True,
    ),
    attack(
        *("a wrong file in POINTREND_ARCHIVES", "is skipped"),
        *(FORGET_ARCHIVES, at_hand("others", "fetch voc -> 2")),
    ),
    attack("POINTREND_PARAMS for train and evaluate", "stale: trained", other_params_file, wrong=True),
    attack("POINTREND_SCALE=demo for train", RIGHT, under(DEMO, "train voc_r50 -> 2"), touches=False),
    attack("POINTREND_SCALE=demo for compare", RIGHT, under(DEMO), touches=False),
    attack("other images where data are staged to", RIGHT, hostile_stage),
    attack("WORLD_SIZE=2 left over", RIGHT, left_over(WORLD_SIZE="2", RANK="0")),
    attack("RANK=1 left over", RIGHT, left_over(RANK="1", LOCAL_RANK="1"), long=True),
    attack("NVIDIA_TF32_OVERRIDE=1", "NVIDIA_TF32_OVERRIDE=1 (", under(ROUNDED, *ANEW)),
    attack(
        *("NVIDIA_TF32_OVERRIDE=1 in a first attempt", "NVIDIA_TF32_OVERRIDE=1 ("),
        *(under(ROUNDED, FORGET_RUN, "train voc_r50"), f"drop {RUN}/train.json", *AGAIN),
        long=True,
    ),
    attack("oneDNN told to use bfloat16", "FPMATH_MODE=BF16 (", under({"ONEDNN_DEFAULT_FPMATH_MODE": "BF16"}, *ANEW)),
    attack("POINTREND_ENGINE left over", RIGHT, left_over(POINTREND_ENGINE="snakemake"), long=True),
)
