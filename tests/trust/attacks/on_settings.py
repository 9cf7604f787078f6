"""params.yaml, --set and the environment changed between the stages."""

from pointrend.files import sha256_file, write_json
from pointrend.results.run_files import STALE, STALE_SCORE
from tests.trust.attacks.attack import RIGHT, attack
from tests.trust.attacks.base import (
    AGAIN,
    AGAIN_OR_NOT,
    ANEW,
    FORGET_ARCHIVES,
    LIMIT_4,
    LR,
    SHOWN,
    VOC,
    at_hand,
    digests_of,
    other_archives,
)
from tests.trust.attacks.site import Site, Step, restoring, under, while_put

LIMIT = "4 images of train were kept"
KEYS = {
    "lr": LR,
    "depth": "backbones.r50.depth 101",
}
TYPED = {"subdivision_steps=0": True, "base_size=[96,64]": True, "inference=bf16": True, "inference=fast": False}


def any_archives(site: Site) -> None:
    site.put("datasets.voc.archives", [{"name": pin["name"]} for pin in site.params()["datasets"]["voc"]["archives"]])


def at_lr(*verbs: str) -> tuple[str, ...]:
    return tuple(f"--set lr=0.5 {verb}" for verb in verbs)


ON_PARAMS = (
    attack("limit 4 while preparing", LIMIT, while_put(LIMIT_4, "prepare voc"), "evaluate voc_r50 -> 2"),
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
        *("no checksums, other archives", "benchmark.tgz with md5", FORGET_ARCHIVES, any_archives),
        at_hand("others", "fetch voc", "prepare voc", *AGAIN),
        wrong=True,
    ),
    attack("no archives in params.yaml", RIGHT, "put datasets.voc.archives []"),
    attack(
        *("drawn data, kept", "archives demo", FORGET_ARCHIVES, "put scales.paper.data drawn"),
        *("put scales.paper.images {train: 8, val: 5}", "fetch voc", "prepare voc", *AGAIN),
        wrong=True,
    ),
    *(
        attack(f"another {name} while training and scoring", STALE, while_put(change, *AGAIN), wrong=True)
        for name, change in KEYS.items()
    ),
    attack("an lr of the run, kept", "lr 0.5 (published 0.02)", "put runs.voc_r50.lr 0.5", *AGAIN),
    attack("an edit after the score", STALE, "put recipe.subdivision_steps 0"),
    attack("inference fast after the score", STALE_SCORE, "put scales.paper.inference fast"),
    *(
        attack(f"--set {value} evaluate", STALE_SCORE, f"--set {value} evaluate voc_r50", wrong=wrong)
        for value, wrong in TYPED.items()
    ),
    attack("--set lr=0.5 train, plain evaluate", STALE, *at_lr("train voc_r50"), "evaluate voc_r50", wrong=True),
    attack("another seed asked for after the score", RIGHT, "put seeds [0, 1]"),
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


ATTACKS = (
    *ON_PARAMS,
    attack("POINTREND_PINS until the score", "archives pins-", pinned(*ALL), wrong=True),
    attack(
        *("POINTREND_PINS until prepare", "prepared from the archives pins-"),
        *(pinned("fetch voc", "prepare voc"), "train voc_r50 -> 2"),
    ),
    attack("POINTREND_PINS for fetch alone", "had md5", pinned("fetch voc"), "prepare voc -> ?", *AGAIN_OR_NOT),
    attack("POINTREND_PINS of the official checksums, kept", "archives pins-", right_pins),
    attack("POINTREND_PINS for compare alone", "archives official, not pins-", pins_of("others"), under(PINS)),
    attack(
        *("a wrong file in POINTREND_ARCHIVES", "is skipped"),
        *(FORGET_ARCHIVES, at_hand("others", "fetch voc -> 2")),
    ),
    attack("POINTREND_PARAMS for train and evaluate", "stale: trained", other_params_file, wrong=True),
    attack("POINTREND_SCALE=demo for train", RIGHT, under(DEMO, "train voc_r50 -> 2"), touches=False),
    attack("other images where data are staged to", RIGHT, hostile_stage),
    attack("NVIDIA_TF32_OVERRIDE=1", "NVIDIA_TF32_OVERRIDE=1 (", under(ROUNDED, *ANEW)),
)
