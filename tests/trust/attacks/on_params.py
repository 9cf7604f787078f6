"""params.yaml and --set changed between the stages."""

from __future__ import annotations

from typing import Any

from pointrend.results.run_files import STALE, STALE_SCORE
from tests.trust.attacks.attack import RIGHT, attacks
from tests.trust.attacks.base import AGAIN, LIMIT_4, SHOWN, at_hand, forget_archives, other_archives
from tests.trust.attacks.site import Site, edit, put, while_put

LIMIT = "4 images of train were kept"
# what a training follows from, by what the attack calls it: its path, and another value
KEYS: dict[str, tuple[str, Any]] = {
    "lr": ("recipe.lr", 0.5),
    "momentum": ("recipe.momentum", 0.0),
    "epochs": ("datasets.voc.recipe.epochs", 1),
    "crop_size": ("datasets.voc.recipe.crop_size", [16, 16]),
    "coarse_loss_weight": ("recipe.coarse_loss_weight", 0.0),
    "precision": ("recipe.precision", "bf16"),
    "weight_decay": ("recipe.weight_decay", 0.5),
    "depth": ("backbones.r50.depth", 101),
}
KEPT: dict[str, tuple[str, Any, str]] = {
    "weight_decay 0.5": ("recipe.weight_decay", 0.5, "weight_decay 0.5 (published 0.0005)"),
    "precision bf16": ("recipe.precision", "bf16", "precision bf16 (published float32)"),
    "an lr of the run": ("runs.voc_r50.lr", 0.5, "lr 0.5 (published 0.02)"),
    "an lr of the scale": ("scales.paper.recipe.lr", 0.5, "lr 0.5 (published 0.02)"),
    "subdivision_points 8": ("recipe.subdivision_points", 8, "subdivision_points 8 (published 128)"),
}
QUICK = ("lr", "depth", "an lr of the run")  # those that the suite tries
TYPED = {"subdivision_steps=0": True, "base_size=[96,64]": True, "inference=bf16": True, "inference=fast": False}
SET_LR = tuple(f"--set lr=0.5 {verb}" for verb in (*AGAIN, *SHOWN))


def any_archives(site: Site) -> None:
    """Any archives of these names will do."""
    site.put("datasets.voc.archives", [{"name": pin["name"]} for pin in site.params()["datasets"]["voc"]["archives"]])


attack = attacks("params")
ATTACKS = (
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
    attack("limit 4, kept", "4 images of val (published 5)", put(LIMIT_4), "prepare voc", *AGAIN, wrong=True),
    attack("limit 4 while scoring", "limit 4", while_put(LIMIT_4, "evaluate voc_r50 -> 2"), touches=False),
    attack(
        *("2 val images asked for while preparing", "val"),
        while_put({"scales.paper.images": {"train": 8, "val": 2}}, "prepare voc -> 2"),
        touches=False,
    ),
    attack("other checksums until the score", "had md5", other_archives(*AGAIN), wrong=True),
    attack(
        *("other checksums while preparing", "had md5"),
        *(other_archives(), "train voc_r50 -> 2", "evaluate voc_r50 -> 2"),
    ),
    attack(
        *("no checksums, other archives", "benchmark.tgz with md5", forget_archives, any_archives),
        at_hand("others", "fetch voc", "prepare voc", *AGAIN),
        wrong=True,
    ),
    attack("no archives in params.yaml", RIGHT, put({"datasets.voc.archives": []})),
    attack(
        *("drawn data, kept", "archives demo", forget_archives),
        put({"scales.paper.data": "drawn", "scales.paper.images": {"train": 8, "val": 5}}),
        *("fetch voc", "prepare voc", *AGAIN),
        **{"wrong": True, "long": True},
    ),
    *(
        attack(
            *(f"another {name} while training and scoring", STALE, while_put({key: value}, *AGAIN)),
            **{"wrong": True, "long": name not in QUICK},
        )
        for name, (key, value) in KEYS.items()
    ),
    *(
        attack(f"{name}, kept", reason, put({key: value}), *AGAIN, long=name not in QUICK)
        for name, (key, value, reason) in KEPT.items()
    ),
    attack("an edit after the score", STALE, put({"recipe.subdivision_steps": 0})),
    attack("inference fast after the score", STALE_SCORE, put({"scales.paper.inference": "fast"})),
    *(
        attack(f"--set {value} evaluate", STALE_SCORE, f"--set {value} evaluate voc_r50", wrong=wrong)
        for value, wrong in TYPED.items()
    ),
    attack(
        *("--set lr=0.5 train, plain evaluate", STALE, "--set lr=0.5 train voc_r50", "evaluate voc_r50"), wrong=True
    ),
    attack(
        *("--set width=8 train and evaluate", STALE, *(f"--set width=8 {verb}" for verb in AGAIN)),
        **{"wrong": True, "long": True},
    ),
    attack("another seed asked for after the score", RIGHT, put({"seeds": [0, 1]})),
    attack(
        *("lr twice in params.yaml", "duplicate key 'lr'"),
        *(edit("params.yaml", "\n  lr: 0.02\n", "\n  lr: 0.02\n  lr: 0.5\n"), "train voc_r50 -> 2"),
    ),
    attack(
        *("lr 5e-1, which is a text to YAML 1.1 alone", "another in YAML 1.2"),
        *(put({"recipe.lr": "5e-1"}), "train voc_r50 -> 2"),
    ),
    attack(
        "--set lr=0.5 for every verb", "lr 0.5 (published 0.02)", *SET_LR[:2], **{"wrong": True, "then": SET_LR[2:]}
    ),
    attack(
        *("the run of another backbone", "every dataset with every|each dataset"),
        *(put({"runs.voc_r50.backbone": "r101"}), "train voc_r50 -> 2"),
    ),
)
