"""Verbs typed by hand, in another order, with other files, at the same time; and engines made to accept the disk."""

from typing import Any
from unittest import mock

from pointrend.evaluation import score as scoring
from pointrend.files import write_json
from pointrend.jobs.lease import lease
from pointrend.results.run_files import STALE
from tests.released import FIRST_NAME, offer_weights, thin_state
from tests.trust.attacks.attack import RIGHT, attack
from tests.trust.attacks.base import (
    LIMIT_4,
    LR,
    OF_TRAINING,
    OTHER_RUN,
    OTHER_SHA,
    REFUSED,
    RUN,
    SECOND_SEED,
    VOC,
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
ON_VERBS = (
    attack(
        "evaluate --weights --out into a run", "only the stages|is in runs/", f"{SCORE_GIVEN} {RUN} -> 2", touches=False
    ),
    attack("evaluate with a renamed model", OTHER_SHA, f"take {OTHER_RUN}/ {RUN}/ model.safetensors", REFUSED),
    attack("evaluate of a run copied over", "not of run voc_r50 seed 0", f"take {OTHER_RUN} {RUN}", REFUSED),
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
)


def edited_through_a_link(site: Site) -> None:
    """With DVC's cache.type hardlink, who writes to an output in place changes the cache as well."""
    cached = site.path(".dvc/cache/files/md5/00/0")
    cached.parent.mkdir(parents=True)
    cached.hardlink_to(site.path(f"{RUN}/metrics.json"))
    miou = site.json(f"{RUN}/metrics.json")["miou"]
    site.edit(str(cached), f'"miou": {miou}', f'"miou": 9{miou}')


ATTACKS = (
    *ON_VERBS,
    attack(
        *("edited through a link of DVC's cache", "is of another scoring|is of a different", edited_through_a_link),
        wrong=True,
    ),
)
