"""Verbs typed by hand: in another order, with other files, at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from pointrend.evaluation import score as scoring
from pointrend.files import write_json
from pointrend.jobs.lease import lease
from pointrend.results.run_files import STALE
from tests.released import FIRST_NAME, offer_weights, thin_state
from tests.trust.attacks.attack import RIGHT, Attack
from tests.trust.attacks.base import OTHER_RUN, RUN, VOC, digests_of
from tests.trust.attacks.site import Site

RELEASED = "data/paper/archives/released_voc_r50"


def scored_into_a_run(site: Site) -> None:
    """The score of other weights, written to where a training's is."""
    site.point(f"evaluate voc_r50 --weights ../offered/{FIRST_NAME} --out {RUN}", expect=2)


def scored_elsewhere(site: Site) -> None:
    """The same by way of another folder."""
    site.point(f"evaluate voc_r50 --weights ../offered/{FIRST_NAME} --out elsewhere")
    for name in ("metrics.json", "confusion.parquet"):
        site.take(f"elsewhere/{name}", f"{RUN}/{name}")


def scored_with_renamed_weights(site: Site) -> None:
    site.take(f"{OTHER_RUN}/model.safetensors", f"{RUN}/model.safetensors")
    site.point("evaluate voc_r50", expect=3)


def scored_as_another_run(site: Site) -> None:
    """Another training in the run's place, scored there."""
    site.take(OTHER_RUN, RUN)
    site.point("evaluate voc_r50", expect=3)


def another_seed_as_this(site: Site) -> None:
    site.point("train voc_r50 --seed 1", "evaluate voc_r50 --seed 1")
    site.take("runs/paper/voc_r50-s1", RUN)


def another_seed_scored_as_this(site: Site) -> None:
    """train.json and model of seed 1, scored as seed 0."""
    site.point("train voc_r50 --seed 1")
    for name in ("train.json", "model.safetensors", "metrics.jsonl", "curve.csv"):
        site.take(f"runs/paper/voc_r50-s1/{name}", f"{RUN}/{name}")
    site.point("evaluate voc_r50", expect=3)


def offer_other_weights(site: Site) -> None:
    state = {name: tensor + 1 if tensor.is_floating_point() else tensor for name, tensor in thin_state().items()}
    folder = site.path("other_weights")
    folder.mkdir()
    offer_weights(folder / FIRST_NAME, state)


def released_with_pins(site: Site) -> None:
    offer_other_weights(site)
    site.drop(RELEASED)
    write_json(site.path("pins.json"), {"files": digests_of(site.path("other_weights"), [FIRST_NAME])})
    with site.env(POINTREND_PINS=site.path("pins.json"), POINTREND_ARCHIVES=site.path("other_weights")):
        site.point("fetch released_voc_r50")
        site.point("evaluate voc_r50 --released", expect=None)


def other_release_offered(site: Site) -> None:
    """The place of the released weights has other ones now."""
    offer_other_weights(site)
    site.drop("data/archives/official")
    with site.env(POINTREND_ARCHIVES=site.path("other_weights")):
        site.point("fetch released_voc_r50", expect=None)
    site.point("evaluate voc_r50 --released", expect=None)


def other_release_in_place(site: Site) -> None:
    offer_other_weights(site)
    site.take(f"other_weights/{FIRST_NAME}", f"{RELEASED}/{FIRST_NAME}")
    site.point("evaluate voc_r50 --released", expect=3)


@contextmanager
def before_scoring(change: Callable[[], Any]) -> Iterator[None]:
    """Something happens when everything was checked and scoring begins."""
    score = scoring.score

    def changed(*arguments: Any) -> Any:
        change()
        return score(*arguments)

    with mock.patch.object(scoring, "score", changed):
        yield


def weights_exchanged(site: Site) -> None:
    """While the weights are scored, other ones get their name."""
    with before_scoring(lambda: site.take(f"{RUN}/../other.safetensors", f"{RUN}/model.safetensors")):
        with site.while_put(recipe__lr=0.5), site.restored(RUN):
            site.point("train voc_r50")
            site.take(f"{RUN}/model.safetensors", "runs/paper/other.safetensors")
        site.point("evaluate voc_r50", expect=3)


def labels_exchanged(site: Site) -> None:
    with before_scoring(lambda: site.flip(f"{VOC}/val.labels.bin")):
        site.point("evaluate voc_r50", expect=3)


def prepared_meanwhile(site: Site) -> None:
    """While it is scored, the data are prepared with a limit."""

    def prepare() -> None:
        with site.while_put(scales__paper__limit=4):
            site.point("prepare voc")

    with before_scoring(prepare):
        site.point("evaluate voc_r50", expect=None)


def prepared_and_back_meanwhile(site: Site) -> None:
    """While it is scored, the data are prepared with a limit, and prepared as before when it is done."""
    score = scoring.score

    def meanwhile(*arguments: Any) -> Any:
        with site.while_put(scales__paper__limit=4):
            site.point("prepare voc")
        scores = score(*arguments)
        site.point("prepare voc")
        return scores

    with mock.patch.object(scoring, "score", meanwhile):
        site.point("evaluate voc_r50", expect=None)


def two_trainings(site: Site) -> None:
    """A second training of what is being trained."""
    (folder,) = site.path("checkpoints/paper/voc_r50-s0").iterdir()
    with lease(folder):
        site.point("train voc_r50", expect=2)


def compact(site: Site) -> None:
    """The other form of the data holds the same pixels."""
    site.put(operation__store="compact")
    site.point("prepare voc", "train voc_r50", "evaluate voc_r50", "train voc_r101", "evaluate voc_r101")
    site.point("evaluate voc_r50 --released")


def compare_seeds(seeds: str) -> dict[str, Any]:
    return {"then": (f"compare --seeds {seeds}", "report", "verify"), "touches": False}


def nothing(site: Site) -> None:
    """The verbs afterwards are the attack."""


ATTACKS = (
    Attack("evaluate --weights --out into a run", "verbs", scored_into_a_run, "is in runs/, which only", touches=False),
    Attack("evaluate --weights --out, copied to a run", "verbs", scored_elsewhere, "scores other weights", wrong=True),
    Attack("evaluate with a renamed model", "verbs", scored_with_renamed_weights, "has another sha256 than when"),
    Attack("evaluate of a run copied over", "verbs", scored_as_another_run, "not of run voc_r50 seed 0"),
    Attack("train --seed 1 copied over seed 0", "verbs", another_seed_as_this, "is of run voc_r50 seed 1", wrong=True),
    Attack("seed 1 scored as seed 0", "verbs", another_seed_scored_as_this, "is of run voc_r50 seed 1"),
    Attack("compare --seeds 1", "verbs", nothing, "not run", **compare_seeds("1")),
    Attack("compare --seeds 0,1", "verbs", nothing, RIGHT, **compare_seeds("0,1")),
    Attack("compare --seeds 0,0", "verbs", nothing, "names 0 twice", **compare_seeds("0,0")),
    Attack("compare --seeds 00", "verbs", nothing, RIGHT, **compare_seeds("00")),
    Attack(
        "--set gpus=2 compare",
        "verbs",
        nothing,
        STALE,
        then=("--set gpus=2 compare", "report", "verify"),
        touches=False,
    ),
    Attack("evaluate --released with pins", "verbs", released_with_pins, "pins-"),
    Attack("released weights offered anew", "verbs", other_release_offered, "is passed over: its sha256"),
    Attack("released weights replaced", "verbs", other_release_in_place, "has another sha256 than when"),
    Attack("weights exchanged while scored", "verbs", weights_exchanged, "were exchanged while it was scored"),
    Attack("labels exchanged while scored", "verbs", labels_exchanged, "val.labels.bin"),
    Attack("prepare with a limit while scored", "verbs", prepared_meanwhile, "4 images of train were kept"),
    Attack("prepare with a limit and back while scored", "verbs", prepared_and_back_meanwhile, "4 images were scored"),
    Attack("two trainings at once", "verbs", two_trainings, "is in use by"),
    Attack("prepared anew in the compact form", "verbs", compact, RIGHT, long=True),
)
