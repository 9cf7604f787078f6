"""The checkout that is attacked: at scale paper, with VOC alone and so tiny a recipe that its results take seconds.

published/definition.json of this checkout says that exactly this was published, so its results are comparable.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pointrend.archives.demo.layouts import SceneCounts, sbd, voc
from pointrend.archives.demo.packing import write_archive
from pointrend.archives.verification import digest_file
from pointrend.files import write_json
from tests.released import FIRST_NAME, offer_weights, thin_state
from tests.trust.attacks.site import Site, Step, under
from tests.workflow.checkout import Checkout

RUNS = ("voc_r50", "voc_r101")
RECIPE: dict[str, Any] = {
    **{"lr": 0.02, "warmup_iterations": 2, "width": 4, "fpn_channels": 8, "scale_channels": 8, "point_channels": 8},
    **{"train_points": 64, "subdivision_points": 128, "zero_init_last_norm": True},
}
OF_DATASET: dict[str, Any] = {"base_size": [48, 32], "crop_size": [32, 32], "batch_size": 4, "epochs": 4}
MACHINE = {"gpus": 1, "device": "cpu", "threads": 1}
OPERATION = {"workers": 0, "log_every": 1, "checkpoint_minutes": 0, "tracking": False}
SCENES = SceneCounts(train=8, val=5, height=40, width=48)
OTHER_SCENES = SceneCounts(train=8, val=5, height=32, width=56)
MEMBERS = {"VOCtrainval_11-May-2012.tar": voc, "benchmark.tgz": sbd}
DATA = ("fetch voc", "fetch backbone_r50", "fetch backbone_r101", "prepare voc")
TRAINED = tuple(f"{verb} {run}" for run in RUNS for verb in ("train", "evaluate"))
RELEASED = ("fetch released_voc_r50", "evaluate voc_r50 --released")
SHOWN = ("compare", "report", "verify")

RUN, OTHER_RUN, SECOND_SEED, RELEASED_RUN = (
    f"runs/paper/{run}" for run in ("voc_r50-s0", "voc_r101-s0", "voc_r50-s1", "voc_r50-released")
)
OF_TRAINING = ("train.json", "model.safetensors", "metrics.jsonl", "curve.csv")
OF_SCORE = ("metrics.json", "confusion.parquet", "matrix.parquet", "evaluate.json", "pictures")
VOC = "data/paper/voc"
PARTS = ("pictures.bin", "labels.bin", "index.json")
AGAIN = ("train voc_r50", "evaluate voc_r50")
TRIED, REFUSED = "evaluate voc_r50 -> ?", "evaluate voc_r50 -> 3"
RESULTS = "results/paper/results.json"
OTHER_SHA = "has a different sha256 than when"
LR, LIMIT_4 = "recipe.lr 0.5", "scales.paper.limit 4"

Digests = dict[str, dict[str, str]]


def write_archives(folder: Path, scenes: SceneCounts) -> Digests:
    folder.mkdir(parents=True)
    for name, members in MEMBERS.items():
        write_archive(folder / name, name, members(scenes))
    return digests_of(folder)


def digests_of(folder: Path, names: Iterable[str] = MEMBERS) -> Digests:
    """Checksums of the archives in a folder, or of other files, by name."""
    digests = {name: digest_file(folder / name) for name in names}
    return {name: {"md5": digest.md5, "sha256": digest.sha256} for name, digest in digests.items()}


def pins(digests: Digests) -> list[dict[str, str]]:
    return [{"name": name, **digest} for name, digest in digests.items()]


def at_hand(folder: str, *steps: Step) -> Step:
    """Take archives from a folder beside the checkout: ``offered``, the right ones, or ``others``."""
    return under({"POINTREND_ARCHIVES": f"ROOT/../{folder}"}, *steps)


# moves away what was downloaded, and the copies of it, so that it is fetched again
FORGET_ARCHIVES = "drop data/archives/official data/paper/archives/voc"


def other_archives(*steps: Step) -> Step:
    """Fetch and prepare other archives under checksums of their own, and take more steps."""

    def step(site: Site) -> None:
        site.put("datasets.voc.archives", pins(digests_of(site.root.parent / "others")))
        site.do(FORGET_ARCHIVES, at_hand("others", "fetch voc", "prepare voc", *steps))

    return step


# train voc_r50 from its beginning and score it, or try to
FORGET_RUN = f"drop checkpoints {RUN}"
ANEW = (FORGET_RUN, *AGAIN)
AGAIN_OR_NOT = tuple(f"{verb} -> ?" for verb in AGAIN)
ANEW_OR_NOT = (FORGET_RUN, *AGAIN_OR_NOT)


def make_base(folder: Path) -> Site:
    """A checkout in ``folder`` with two comparable results, and those of released weights, made verb after verb.

    Beside it are ``offered``, the official archives and weights, and ``others``, of the same names but other scenes.
    """
    folder.mkdir()
    site = Site(Checkout.of_voc(folder / "pointrend").root)
    digests = write_archives(folder / "offered", SCENES)
    write_archives(folder / "others", OTHER_SCENES)
    offer_weights(folder / "offered" / FIRST_NAME, thin_state())
    images = {"train": SCENES.train, "val": SCENES.val}
    params = site.params()
    params["scale"] = "paper"
    params["recipe"] |= RECIPE | MACHINE
    params["operation"] |= OPERATION
    params["datasets"]["voc"] |= {"images": images, "recipe": OF_DATASET, "archives": pins(digests)}
    params["scales"]["paper"] |= {"pretrained": False, "pictures": 0}
    site.write_params(params)
    site.set_urls(None)  # nothing leaves this machine
    definition = site.json("published/definition.json")
    definition["recipe"] |= RECIPE | {"pretrained": False}
    definition["datasets"]["voc"] = {"images": images, "archives": digests, "recipe": OF_DATASET}
    del definition["free"]["gpus"]["least"]
    write_json(site.path("published/definition.json"), definition)
    site.do(at_hand("offered", *DATA, *TRAINED, *RELEASED, *SHOWN))
    if site.faults:
        raise RuntimeError(f"the checkout to be attacked could not be made: {site.faults}")
    return site


def truth_of(site: Site) -> dict[tuple[str, str], float]:
    """The right mIoU by run and kind of row; all of them must be comparable."""
    rows = site.json(RESULTS)["runs"]
    comparable = {(row["run"], row["kind"]): row["miou"] for row in rows if row["comparable"] and row["miou"]}
    wanted = {(row["run"], row["kind"]) for row in rows if row["run"] == "voc_r50" or row["kind"] == "trained"}
    if comparable.keys() != wanted or len(set(comparable.values())) != len(wanted):
        raise RuntimeError(f"the checkout to be attacked is not comparable: {rows}")
    return comparable
