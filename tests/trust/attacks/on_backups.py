"""Parts of an older state restored over a newer one, and files changed for a while."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import numpy as np

from pointrend.files import canonical_json
from tests.trust.attacks.attack import RIGHT, Attack
from tests.trust.attacks.base import (
    AGAIN,
    RESULTS,
    RUN,
    VOC,
    at_hand,
    forget_archives,
    other_pins,
    train_anew,
)
from tests.trust.attacks.site import Site

SCORED = tuple(
    f"{RUN}/{name}" for name in ("metrics.json", "confusion.parquet", "evaluate.json", "scores.json", "pictures")
)
TRAINED = tuple(f"{RUN}/{name}" for name in ("train.json", "model.safetensors", "metrics.jsonl", "curve.csv"))


def restored_over(*names: str) -> Callable[[Site], Any]:
    """Train and score with another lr, which stays; then put back some of what was there before."""

    def steps(site: Site) -> None:
        with site.restored(*names):
            site.put(recipe__lr=0.5)
            site.point(*AGAIN)

    return steps


def newer_kept(*names: str) -> Callable[[Site], Any]:
    """Train and score with another lr, then put back everything but some files."""

    def steps(site: Site) -> None:
        kept = [name for name in (*TRAINED, *SCORED) if name not in names]
        with site.restored("params.yaml", *kept):
            site.put(recipe__lr=0.5)
            site.point(*AGAIN)

    return steps


def with_other_data(site: Site) -> None:
    """Fetch and prepare other archives under checksums of their own."""
    forget_archives(site)
    site.put(datasets__voc__archives=other_pins(site))
    with at_hand(site, "others"):
        site.point("fetch voc", "prepare voc")


def old_manifest(site: Site) -> None:
    with site.restored("params.yaml", f"{VOC}/manifest.json"):
        with_other_data(site)
    train_anew(site, expect=None)


def old_data(site: Site) -> None:
    """The old files with the new manifest, params and archives."""
    files = [
        f"{VOC}/{split}.{part}" for split in ("train", "val") for part in ("pictures.bin", "labels.bin", "index.json")
    ]
    with site.restored(*files):
        with_other_data(site)
    train_anew(site, expect=None)


def old_archives(site: Site) -> None:
    """Data of other archives, whose params and archives were put back afterwards."""
    with site.restored("params.yaml", "data/archives", "data/paper/archives"):
        with_other_data(site)
        site.point(*AGAIN)


def old_results(site: Site) -> None:
    with site.restored(RESULTS):
        site.put(recipe__lr=0.5)
        site.point(*AGAIN, "compare")


def older_results(site: Site) -> None:
    """results.json of an lr that was never published, after the published training was restored."""
    with site.restored("params.yaml", RUN):
        site.put(recipe__lr=0.5)
        site.point(*AGAIN, "compare")


def other_readme(site: Site) -> None:
    """Pages of before, results of now."""
    with site.restored("README.md", "results/paper/README.md", "results/paper/index.html"):
        site.put(recipe__lr=0.5)
        site.point(*AGAIN, "compare", "report")


def while_scored(*names: str, change: Callable[[Site], Any]) -> Callable[[Site], Any]:
    """Score while prepared files are other ones, and put them back."""

    def steps(site: Site) -> None:
        with site.restored(*(f"{VOC}/{name}" for name in names)):
            change(site)
            site.point("evaluate voc_r50", expect=None)

    return steps


def shorten_val(site: Site) -> None:
    """The first two images alone."""
    index = site.json(f"{VOC}/val.index.json")
    kept = {key: value[:2] for key, value in index.items()}
    site.path(f"{VOC}/val.index.json").write_text(canonical_json(kept))
    pixels = sum(height * width for height, width in kept["sizes"])
    for name, size in {"pictures": 3 * pixels, "labels": pixels}.items():
        path = site.path(f"{VOC}/val.{name}.bin")
        path.write_bytes(path.read_bytes()[:size])


def easier_labels(site: Site) -> None:
    """Nothing but background is labelled."""
    path = site.path(f"{VOC}/val.labels.bin")
    labels = np.frombuffer(path.read_bytes(), np.uint8)
    path.write_bytes(np.where(labels == 0, labels, 255).astype(np.uint8).tobytes())


def other_order(site: Site) -> None:
    """The ids of two images exchanged."""
    index = site.json(f"{VOC}/val.index.json")
    index["ids"][:2] = index["ids"][1::-1]
    site.path(f"{VOC}/val.index.json").write_text(canonical_json(index))


def other_training_images(site: Site) -> None:
    with site.restored(f"{VOC}/train.pictures.bin"):
        site.flip(f"{VOC}/train.pictures.bin")
        train_anew(site, expect=None)


def other_training_images_kept(site: Site) -> None:
    site.flip(f"{VOC}/train.pictures.bin")
    train_anew(site, expect=None)


def older_definition(site: Site) -> None:
    """published/ of a release in which another lr was written down."""
    definition = site.json("published/definition.json")
    definition["recipe"]["lr"] = 0.01
    site.path("published/definition.json").write_text(json.dumps(definition))


def linked_backup(site: Site) -> None:
    """cp -al, then another training in place: a file that was written to would be another one in the backup, too."""
    subprocess.run(["cp", "-al", str(site.path("runs")), str(site.path("backup"))], check=True, timeout=60)
    with site.while_put(recipe__lr=0.5):
        site.point(*AGAIN)
    site.drop("runs")
    site.path("backup").rename(site.path("runs"))


def edited_results(site: Site) -> None:
    """A figure of another day, put in by hand."""
    row = site.json(RESULTS)["runs"][0]
    site.edit(RESULTS, f'"miou": {row["miou"]}', '"miou": 69.84')


def typed_fingerprint(site: Site) -> None:
    """Another lr, and the fingerprint of the published training typed into its record."""
    wanted = site.json(f"{RUN}/train.json")["fingerprint"]
    with site.while_put(recipe__lr=0.5):
        site.point(*AGAIN)
    site.edit(f"{RUN}/train.json", site.json(f"{RUN}/train.json")["fingerprint"], wanted)


def edited_readme(site: Site) -> None:
    path = site.path("README.md")
    path.write_text(re.sub(r"(\| voc_r50 +\| 69.84% +\| )\d+\.\d+%", r"\g<1>69.84%", path.read_text(), count=1))


ALL = "val.index.json", "val.pictures.bin", "val.labels.bin"
LABELS = ("val.labels.bin",)
ATTACKS = (
    Attack(
        "old train.json, new model",
        "backups",
        restored_over("params.yaml", f"{RUN}/train.json"),
        "scores other weights",
    ),
    Attack("new train.json, old model", "backups", newer_kept(f"{RUN}/train.json"), "stale: trained"),
    Attack(
        "old training, new evaluation",
        "backups",
        restored_over("params.yaml", *TRAINED),
        "scores other weights",
        wrong=True,
    ),
    Attack("new training, old evaluation", "backups", newer_kept(*TRAINED), "stale: trained"),
    Attack(
        "old figures, new training, new params", "backups", restored_over(*SCORED), "scores other weights", long=True
    ),
    Attack(
        "old metrics.json, new counts",
        "backups",
        restored_over("params.yaml", *TRAINED, f"{RUN}/metrics.json"),
        "is of another scoring",
    ),
    Attack("new counts alone", "backups", newer_kept(f"{RUN}/confusion.parquet"), "is not the one that metrics.json"),
    Attack("old manifest, new data", "backups", old_manifest, "manifest.json"),
    Attack("new manifest, old data", "backups", old_data, "manifest.json"),
    Attack("old archives, new data and score", "backups", old_archives, "had md5", wrong=True),
    Attack(
        "old results.json, new training",
        "backups",
        old_results,
        "is not the one whose",
        then=("report", "verify"),
        wrong=True,
    ),
    Attack(
        "new results.json, old training",
        "backups",
        older_results,
        "is not the one whose",
        then=("report", "verify"),
        long=True,
    ),
    Attack("old pages, new results", "backups", other_readme, "stale: trained", then=("verify",), wrong=True),
    Attack("2 images in val while scoring", "backups", while_scored(*ALL, change=shorten_val), "val.", touches=False),
    Attack(
        "other labels while scoring",
        "backups",
        while_scored(*LABELS, change=easier_labels),
        "val.labels.bin",
        touches=False,
    ),
    Attack(
        "ids exchanged while scoring",
        "backups",
        while_scored("val.index.json", change=other_order),
        "val.index.json",
        touches=False,
    ),
    Attack("other training images while training", "backups", other_training_images, "train.pictures.bin"),
    Attack("other training images, kept", "backups", other_training_images_kept, "train.pictures.bin"),
    Attack("cp -al, then another training", "backups", linked_backup, RIGHT),
    Attack(
        "a figure typed into results.json", "backups", edited_results, "is not what its own", then=("report", "verify")
    ),
    Attack("a fingerprint typed into train.json", "backups", typed_fingerprint, "is not as it was written", wrong=True),
    Attack("a figure typed into README.md", "backups", edited_readme, "README.md", then=("verify",)),
    Attack("definition.json of another release", "backups", older_definition, "lr 0.02 (published 0.01)"),
)
