"""params.yaml and --set changed between the stages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pointrend.results.run_files import STALE, STALE_SCORE
from tests.trust.attacks.attack import RIGHT, Attack
from tests.trust.attacks.base import AGAIN, SHOWN, at_hand, forget_archives, other_pins
from tests.trust.attacks.site import Site

LIMIT = "4 images of train were kept of 8 asked for; now 8 were asked for, limit None"
KEYS: dict[str, tuple[str, Any]] = {
    "lr": ("recipe__lr", 0.5),
    "momentum": ("recipe__momentum", 0.0),
    "epochs": ("datasets__voc__recipe__epochs", 1),
    "crop_size": ("datasets__voc__recipe__crop_size", [16, 16]),
    "coarse_loss_weight": ("recipe__coarse_loss_weight", 0.0),
    "precision": ("recipe__precision", "bf16"),
    "depth": ("backbones__r50__depth", 101),
}
"""What a training follows from, by what the attack calls it: its path, and another value."""
KEPT: dict[str, tuple[str, Any, str]] = {
    "precision bf16": ("recipe__precision", "bf16", "precision bf16 (published float32)"),
    "an lr of the run": ("runs__voc_r50__lr", 0.5, "lr 0.5 (published 0.02)"),
    "an lr of the scale": ("scales__paper__recipe__lr", 0.5, "lr 0.5 (published 0.02)"),
    "subdivision_points 8": ("recipe__subdivision_points", 8, "subdivision_points 8 (published 128)"),
}

QUICK = ("lr", "depth", "an lr of the run")
"""Those of them that the suite tries."""
SET_LR = tuple(f"--set lr=0.5 {verb}" for verb in SHOWN)


def while_used(**values: Any) -> Callable[[Site], None]:
    """Train and score with other values, and put params.yaml back."""

    def steps(site: Site) -> None:
        with site.while_put(**values):
            site.point(*AGAIN)

    return steps


def kept(**values: Any) -> Callable[[Site], None]:
    """Train and score with other values, which stay."""

    def steps(site: Site) -> None:
        site.put(**values)
        site.point(*AGAIN)

    return steps


def limit_while_prepared(site: Site) -> None:
    with site.while_put(scales__paper__limit=4):
        site.point("prepare voc")
    site.point("evaluate voc_r50", expect=2)


def limit_while_used(site: Site) -> None:
    with site.while_put(scales__paper__limit=4):
        site.point("prepare voc", *AGAIN)


def limit_kept(site: Site) -> None:
    site.put(scales__paper__limit=4)
    site.point("prepare voc", *AGAIN)


def limit_while_scored(site: Site) -> None:
    with site.while_put(scales__paper__limit=4):
        site.point("evaluate voc_r50", expect=2)


def limit_lifted_for_scoring(site: Site) -> None:
    """Train on four images, then prepare all and score."""
    with site.while_put(scales__paper__limit=4):
        site.point("prepare voc", "train voc_r50")
    site.point("prepare voc", "evaluate voc_r50")


def fewer_images(site: Site) -> None:
    with site.while_put(scales__paper__images={"train": 8, "val": 2}):
        site.point("prepare voc", expect=2)


def other_archives(site: Site) -> None:
    forget_archives(site)
    with site.while_put(datasets__voc__archives=other_pins(site)), at_hand(site, "others"):
        site.point("fetch voc", "prepare voc", *AGAIN)


def other_archives_while_prepared(site: Site) -> None:
    forget_archives(site)
    with site.while_put(datasets__voc__archives=other_pins(site)), at_hand(site, "others"):
        site.point("fetch voc", "prepare voc")
    site.point("train voc_r50", expect=2)
    site.point("evaluate voc_r50", expect=2)


def without_checksums(site: Site) -> None:
    """Any archives of these names will do."""
    forget_archives(site)
    site.put(datasets__voc__archives=[{"name": pin["name"]} for pin in other_pins(site)])
    with at_hand(site, "others"):
        site.point("fetch voc", "prepare voc", *AGAIN)


def without_archives(site: Site) -> None:
    site.put(datasets__voc__archives=[])


def drawn(site: Site) -> None:
    forget_archives(site)
    site.put(scales__paper__data="drawn", scales__paper__images={"train": 8, "val": 5})
    site.point("fetch voc", "prepare voc", *AGAIN)


def set_for(*commands: str) -> Callable[[Site], None]:
    return lambda site: site.point(*commands) and None


def lr_twice(site: Site) -> None:
    site.edit("params.yaml", "\n  lr: 0.02\n", "\n  lr: 0.02\n  lr: 0.5\n")
    site.point("train voc_r50", expect=2)


def lr_as_text(site: Site) -> None:
    site.put(recipe__lr="5e-1")
    site.point("train voc_r50", expect=2)


def lr_set_throughout(site: Site) -> None:
    site.point(*(f"--set lr=0.5 {command}" for command in AGAIN))


def other_backbone(site: Site) -> None:
    site.put(runs__voc_r50__backbone="r101")
    site.point("train voc_r50", expect=2)


ATTACKS = (
    Attack("limit 4 while preparing", "params", limit_while_prepared, LIMIT),
    Attack("limit 4 while preparing, training and scoring", "params", limit_while_used, LIMIT, wrong=True),
    Attack("limit 4 while preparing and training alone", "params", limit_lifted_for_scoring, STALE, wrong=True),
    Attack("limit 4, kept", "params", limit_kept, "4 images of val (published 5)", wrong=True),
    Attack("limit 4 while scoring", "params", limit_while_scored, "limit 4", touches=False),
    Attack("2 val images asked for while preparing", "params", fewer_images, "val", touches=False),
    Attack("other checksums until the score", "params", other_archives, "had md5", wrong=True),
    Attack("other checksums while preparing", "params", other_archives_while_prepared, "had md5"),
    Attack("no checksums, other archives", "params", without_checksums, "benchmark.tgz with md5", wrong=True),
    Attack("no archives in params.yaml", "params", without_archives, RIGHT),
    Attack("drawn data, kept", "params", drawn, "archives demo", wrong=True, long=True),
    *(
        Attack(
            f"another {name} while training and scoring",
            "params",
            while_used(**{key: value}),
            STALE,
            wrong=True,
            long=name not in QUICK,
        )
        for name, (key, value) in KEYS.items()
    ),
    *(
        Attack(f"{name}, kept", "params", kept(**{key: value}), reason, long=name not in QUICK)
        for name, (key, value, reason) in KEPT.items()
    ),
    Attack("an edit after the score", "params", lambda site: site.put(recipe__subdivision_steps=0), STALE),
    Attack(
        "inference fast after the score", "params", lambda site: site.put(scales__paper__inference="fast"), STALE_SCORE
    ),
    *(
        Attack(f"--set {value} evaluate", "params", set_for(f"--set {value} evaluate voc_r50"), STALE_SCORE, wrong)
        for value, wrong in {
            "subdivision_steps=0": True,
            "base_size=[96,64]": True,
            "inference=bf16": True,
            "inference=fast": False,
        }.items()
    ),
    Attack(
        "--set lr=0.5 train, plain evaluate",
        "params",
        set_for("--set lr=0.5 train voc_r50", "evaluate voc_r50"),
        STALE,
        wrong=True,
    ),
    Attack(
        "--set width=8 train and evaluate",
        "params",
        set_for("--set width=8 train voc_r50", "--set width=8 evaluate voc_r50"),
        STALE,
        wrong=True,
        long=True,
    ),
    Attack("another seed asked for after the score", "params", lambda site: site.put(seeds=[0, 1]), RIGHT),
    Attack("lr twice in params.yaml", "params", lr_twice, "duplicate key 'lr'"),
    Attack("lr 5e-1, which is a text to YAML 1.1 alone", "params", lr_as_text, "another in YAML 1.2"),
    Attack(
        "--set lr=0.5 for every verb", "params", lr_set_throughout, "lr 0.5 (published 0.02)", wrong=True, then=SET_LR
    ),
    Attack("the run of another backbone", "params", other_backbone, "must be every dataset with every backbone"),
)
