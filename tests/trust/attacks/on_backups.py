"""Parts of an older state restored over a newer one, files changed for a while, and times that are wrong."""

import json
import os
import re
import subprocess
import time
from typing import Any

import numpy as np

from pointrend.files import canonical_json
from tests.trust.attacks.attack import RIGHT, attack
from tests.trust.attacks.base import (
    AGAIN,
    ANEW_OR_NOT,
    LR,
    OF_SCORE,
    OF_TRAINING,
    OTHER_SHA,
    REFUSED,
    RESULTS,
    RUN,
    TRIED,
    VOC,
    other_archives,
)
from tests.trust.attacks.site import Site, Step, restoring, while_put

SCORED = tuple(f"{RUN}/{name}" for name in OF_SCORE)
TRAINED = tuple(f"{RUN}/{name}" for name in OF_TRAINING)
INDEX, LABELS = f"{VOC}/val.index.json", f"{VOC}/val.labels.bin"
PAGES = ("README.md", "results/paper/README.md", "results/paper/index.html")
RETRAINED = (f"put {LR}", *AGAIN)


def newer_kept(*names: str) -> Step:
    """Train and score with another lr, then restore everything but some files."""
    return restoring(("params.yaml", *(name for name in (*TRAINED, *SCORED) if name not in names)), *RETRAINED)


def while_scored(name: str, change: Step, *others: str) -> Step:
    """Score while prepared files are other ones, and restore them."""
    return restoring((name, *others), change, TRIED)


def in_index(change: Any) -> Step:
    return lambda site: site.path(INDEX).write_text(canonical_json(change(site.json(INDEX))))


def shorten_val(site: Site) -> None:
    site.do(in_index(lambda index: {key: value[:2] for key, value in index.items()}))
    pixels = sum(height * width for height, width in site.json(INDEX)["sizes"])
    for name, size in {"pictures": 3 * pixels, "labels": pixels}.items():
        path = site.path(f"{VOC}/val.{name}.bin")
        path.write_bytes(path.read_bytes()[:size])


def easier_labels(site: Site) -> None:
    """Nothing but background is labelled."""
    labels = np.frombuffer(site.path(LABELS).read_bytes(), np.uint8)
    site.path(LABELS).write_bytes(np.where(labels == 0, labels, 255).astype(np.uint8).tobytes())


def older_definition(site: Site) -> None:
    """published/ of a release in which another lr was written down."""
    definition = site.json("published/definition.json")
    definition["recipe"]["lr"] = 0.01
    site.path("published/definition.json").write_text(json.dumps(definition))


def older_code_json(site: Site) -> None:
    code = site.json("published/code.json")
    code["evaluate"]["voc"] = "0" * 64
    site.path("published/code.json").write_text(canonical_json(code))


def linked_backup(site: Site) -> None:
    """cp -al, then another training in place: a file that was written to would be another one in the backup, too."""
    subprocess.run(["cp", "-al", str(site.path("runs")), str(site.path("backup"))], check=True, timeout=60)
    site.do(while_put(LR, *AGAIN))
    site.drop("runs")
    site.path("backup").rename(site.path("runs"))


def typed_fingerprint(site: Site) -> None:
    """Another lr, and the fingerprint of the published training typed into its record."""
    wanted = site.json(f"{RUN}/train.json")["fingerprint"]
    site.do(while_put(LR, *AGAIN))
    site.edit(f"{RUN}/train.json", site.json(f"{RUN}/train.json")["fingerprint"], wanted)


def edited_readme(site: Site) -> None:
    path = site.path("README.md")
    path.write_text(re.sub(r"(\| PASCAL VOC[^|]+\| 69.84% +\| )\d+\.\d+%", r"\g<1>69.84%", path.read_text(), count=1))


OTHER_RESULTS = "is not the one that results/paper/results.json names"
OF_RESULTS = {"then": ("report", "verify")}
TRAIN_IMAGES = f"{VOC}/train.pictures.bin"
ON_BACKUPS = (
    attack(
        *("old training, new evaluation", "scores other weights", restoring(("params.yaml", *TRAINED), *RETRAINED)),
        wrong=True,
    ),
    attack("new training, old evaluation", "stale: trained", newer_kept(*TRAINED)),
    attack(
        *("old metrics.json, new counts", "is of another scoring|is of a different scoring"),
        restoring(("params.yaml", *TRAINED, f"{RUN}/metrics.json"), *RETRAINED),
    ),
    attack(
        *("old manifest, new data", "manifest.json"),
        *(restoring(("params.yaml", f"{VOC}/manifest.json"), other_archives()), *ANEW_OR_NOT),
    ),
    attack(
        *("old archives, new data and score", "had md5"),
        restoring(("params.yaml", "data/archives", "data/paper/archives"), other_archives(), *AGAIN),
        wrong=True,
    ),
    attack(
        *("old results.json, new training", OTHER_RESULTS, restoring(RESULTS, *RETRAINED, "compare")),
        **{"wrong": True, **OF_RESULTS},
    ),
    attack(
        *("old pages, new results", "stale: trained", restoring(PAGES, *RETRAINED, "compare", "report")),
        **{"then": ("verify",), "wrong": True},
    ),
    attack(
        *("2 images in val while scoring", "val.", while_scored(INDEX, shorten_val, LABELS, f"{VOC}/val.pictures.bin")),
        touches=False,
    ),
    attack("other labels while scoring", "val.labels.bin", while_scored(LABELS, easier_labels), touches=False),
    attack(
        *("ids exchanged while scoring", "val.index.json"),
        while_scored(INDEX, in_index(lambda index: index | {"ids": [*index["ids"][1::-1], *index["ids"][2:]]})),
        touches=False,
    ),
    attack(
        *("other training images while training", "train.pictures.bin"),
        restoring(TRAIN_IMAGES, f"flip {TRAIN_IMAGES}", *ANEW_OR_NOT),
    ),
    attack("other training images, kept", "train.pictures.bin", f"flip {TRAIN_IMAGES}", *ANEW_OR_NOT),
    attack("cp -al, then another training", RIGHT, linked_backup),
    attack("a fingerprint typed into train.json", "is not as it was written", typed_fingerprint, wrong=True),
    attack("a figure typed into README.md", "README.md", edited_readme, then=("verify",)),
    attack(
        *("a figure typed into metrics.json", "results/paper/metrics.json does not match the results"),
        lambda site: site.path("results/paper/metrics.json").write_text('{"voc_r50": 69.84}\n'),
        then=("verify",),
    ),
    attack("definition.json of another release", "lr 0.02 (published 0.01)", older_definition),
    attack("code.json of another release", "the code of evaluate is not the one", older_code_json),
)

IN_TEN_YEARS = time.time() + 10 * 365 * 86400


def all_times(moment: float) -> Step:
    """As rsync -a copies from a machine with a wrong clock."""
    return lambda site: [os.utime(path, (moment, moment)) for path in site.root.rglob("*") if not path.is_symlink()]


def archive_of_same_time(site: Site) -> None:
    """The archive that is linked to is another one of the same size and time."""
    link = site.path("data/archives/official/benchmark.tgz")
    site.take(link.resolve(), link)
    site.retimed("data/archives/official/benchmark.tgz", lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    site.do("fetch voc -> ?")


def score_of_same_time(site: Site) -> None:
    """One digit of metrics.json, at the same time."""
    miou = str(site.json(f"{RUN}/metrics.json")["miou"]).encode()
    site.retimed(f"{RUN}/metrics.json", lambda data: data.replace(b'"miou": ' + miou, b'"miou": 9' + miou[1:], 1))


OTHER_LR = while_put(LR, *AGAIN)
ATTACKS = (
    *ON_BACKUPS,
    attack("another lr, all times 1970", "stale: trained", OTHER_LR, all_times(0), wrong=True),
    attack("times in ten years, then all again", RIGHT, all_times(IN_TEN_YEARS), f"flip {RUN}/metrics.json", *AGAIN),
    attack("val labels of the same size and time", "val.labels.bin", f"flip {VOC}/val.labels.bin", TRIED),
    attack("a model of the same size and time", OTHER_SHA, f"flip {RUN}/model.safetensors", REFUSED),
    attack("an archive of the same size and time", "benchmark.tgz is not", archive_of_same_time),
    attack("metrics.json of the same size and time", "is of another scoring|is of a different", score_of_same_time),
)
