"""Runs made up for the tests: folders with files that belong together, and results made from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from pointrend.datasets.registry import classes_of
from pointrend.evaluation.confusion import Counts
from pointrend.evaluation.counts_file import counts_table, matrix_table, write_counts
from pointrend.evaluation.pictures import contact_sheet
from pointrend.files import SEAL, sha256_file, sha256_json, write_bytes, write_json, write_sealed, write_text
from pointrend.results.compare import compare
from pointrend.results.published import Published, load_published
from pointrend.results.run_files import SelectedRun
from pointrend.results.verdict import Reference, Spread
from pointrend.settings.definition import Definition
from pointrend.training.metrics_log import curve_csv

PUBLISHED = Path(__file__).parents[2] / "published"
FINGERPRINT, SCORING = "f" * 64, "7" * 64
RUNS = ("voc_r50", "voc_r101", "ade20k_r50", "ade20k_r101", "cityscapes_r50", "cityscapes_r101")
ASSUMED = dict.fromkeys(RUNS, Reference(Spread(0.3, "assumed")))
INPUTS = {"data_manifest_sha256": "d" * 64, "backbone_sha256": "b" * 64, "code_sha256": "c" * 64}
NO_PICTURES: Mapping[str, bytes] = {}
MACHINE = {"device": "cpu", "processor": "x86_64", "torch": "2.14.1"}
COMPUTED = {
    "source": {"commit": "1" * 40, "dirty": False, "reason": None},
    "lock_sha256": "e" * 64,
    "machine": MACHINE,
    "precision": {"dtype": "float32", "tf32": False},
}
TRAINED = {
    **COMPUTED,
    "archives": {"benchmark.tgz": "9" * 64},
    "attempts": [{"iteration": 0}, {"iteration": 50, "began": "2026-11-29 12:00:00"}],
    "seconds": 7200.0,
    **{"gpus": 4, "nodes": 1, "images_per_gpu": 4, "batch_norm": "SyncBatchNorm", "checkpoint_rule": "last iteration"},
}
DATA = {
    **{"content": "0" * 64, "pins": "official", "archives": {}, "code_sha256": "8" * 64},
    **{"images": {"train": 2, "val": 2}, "ids_sha256": {"val": sha256_json(["a", "b"])}},
}
MIOU = 100 * (8 / 11 + 1 / 4) / 2  # percent; of the counts that finish() writes
MEASURES = {
    **{"all_accuracy": 75.0, "boundary_iou": 40.0, "n_images": 2},
    "coarse": {"miou": 50.0, "boundary_iou": 30.0},
}


class Stated:
    """In place of the published definition: records are comparable unless they themselves say why not."""

    @staticmethod
    def training_reasons(record: Mapping[str, Any]) -> list[str]:
        return list(record["stated_reasons"])

    scoring_reasons = training_reasons


def published(scale: str = "paper") -> Published:
    return replace(load_published(PUBLISHED, scale), definition=cast(Definition, Stated()))


def selected(folder: Path, run: str = "voc_r50", seed: int = 0, *reasons: str, fingerprint: str = FINGERPRINT) -> Any:
    """A run whose folder is ``folder/<run>-s<seed>``; it is comparable where there are no reasons against."""
    setting = {
        "dataset": run.split("_")[0],
        "depth": int(run.partition("_r")[2] or 50),
        "recipe": {"output_stride": 32, "epochs": 60},
    }
    place = folder / f"{run}-s{seed}"
    return SelectedRun(run, seed, reasons, setting, place, fingerprint, SCORING)


def released(folder: Path, run: str = "voc_r50", *reasons: str) -> SelectedRun:
    """The released weights of a run, scored in ``folder/<run>-released``."""
    place = folder / f"{run}-released"
    return replace(selected(folder, run, 0, *reasons), seed=None, folder=place, scoring_fingerprint=FINGERPRINT)


def sheet(seed: int) -> bytes:
    """A picture as evaluation draws it, of noise."""
    rng = np.random.default_rng(seed)
    label, coarse, refined = (rng.integers(0, 5, (30, 40)).astype(np.uint8) for _ in range(3))
    photo = rng.integers(0, 256, (30, 40, 3)).astype(np.uint8)
    segmented = SimpleNamespace(refined=refined, coarse=coarse, last_refined=label == 1)
    return contact_sheet(photo, label, cast(Any, segmented), classes_of("voc"))


# contents by file name; finish() calls the first one the best, and the others the first of the split
PICTURES = {"2007_000033.png": sheet(0), "a b#1.png": sheet(1)}


def finish(run: SelectedRun, pictures: Mapping[str, bytes] = NO_PICTURES) -> None:
    """Write the files of a trained and evaluated run, or of scored released weights."""
    weights = "a" * 64 if run.seed in (0, None) and run.run == "voc_r50" else sha256_json([run.run, run.seed])
    if run.seed is not None:
        records = [
            {"iteration": 50 * i, "lr": 0.01 / i, "loss": 4 / i, "loss_point": 3 / i, "loss_coarse": 1 / i}
            for i in range(1, 9)
        ] + [{"iteration": 400, "epoch": 1, "validation_miou": 41.5}]
        log = "".join(json.dumps(record) + "\n" for record in records)
        write_text(run.folder / "metrics.jsonl", log)
        write_text(run.folder / "curve.csv", curve_csv(log.encode()))
        train = {
            **{"run": run.run, "seed": run.seed, "fingerprint": FINGERPRINT, "model_sha256": weights},
            **{"setting": run.setting, "data": DATA, "stated_reasons": list(run.reasons)},
            "curves": {name: sha256_file(run.folder / name) for name in ("metrics.jsonl", "curve.csv")},
        }
        write_sealed(run.folder / "train.json", train | INPUTS | TRAINED)
    first, second = (Counts(*np.array(rows)) for rows in ([[5, 0], [6, 2], [7, 1]], [[3, 1], [3, 1], [3, 1]]))
    metrics = {
        **{"miou": MIOU, "iou": {"background": 100 * 8 / 11, "bicycle": 25.0, "aeroplane": None}, **MEASURES},
        **{"model_sha256": weights, **write_two_classes(run.folder, {"a": first, "b": second})},
        "coarse_iou": {"background": 73.0, "bicycle": 20.0, "aeroplane": None},
        "fingerprint": FINGERPRINT,
        "pictures": {
            name: {
                **{"id": name.removesuffix(".png"), "index": index, "miou": 90.0 - index},
                **{"shown_as": ["first"] if index else ["best"], "bytes": len(content)},
                "sha256": hashlib.sha256(content).hexdigest(),
            }
            for index, (name, content) in enumerate(pictures.items())
        },
    }
    write_json(run.folder / "metrics.json", metrics)
    scoring = {
        **{"run": run.run, "seed": run.seed, "fingerprint": run.scoring_fingerprint, "setting": run.setting},
        **{"data": DATA, "archives": TRAINED["archives"], "code_sha256": "5" * 64},
        "data_manifest_sha256": INPUTS["data_manifest_sha256"],
        "train_sha256": None if run.seed is None else sha256_file(run.folder / "train.json"),
        **{"model_sha256": weights, "metrics_sha256": sha256_file(run.folder / "metrics.json")},
        "stated_reasons": list(run.reasons),
    }
    write_sealed(run.folder / "evaluate.json", COMPUTED | scoring)
    for name, content in pictures.items():
        write_bytes(run.folder / "pictures" / name, content)


def write_two_classes(folder: Path, images: Mapping[str, Counts]) -> dict[str, str]:
    """Write confusion.parquet and the matrix that follows from it; returns their hashes by key of metrics.json."""
    counts, matrix = folder / "confusion.parquet", folder / "matrix.parquet"
    write_counts(counts, counts_table(images, 2))
    total = sum(images.values(), Counts.zeros(2))
    wrong = total.ground_truth - total.true_positive
    write_counts(matrix, matrix_table(np.diag(total.true_positive) + np.diag(wrong)[:, ::-1]))
    return {"sha256": sha256_file(counts), "matrix_sha256": sha256_file(matrix)}


def edit(run: SelectedRun, name: str, /, **values: Any) -> None:
    """Change values in a JSON file of a run, with its own hash and those of it in the records after it."""
    path = run.folder / name
    record = json.loads(path.read_text()) | values
    if record.pop(SEAL, None):
        write_sealed(path, record)
    else:
        write_json(path, record)
    if name == "train.json":
        edit(run, "evaluate.json", train_sha256=sha256_file(path))
    if name == "metrics.json":
        edit(run, "evaluate.json", metrics_sha256=sha256_file(path))


def results_of(folder: Path, scale: str = "demo", reasons: Sequence[str] = ("scale demo",)) -> dict[str, Any]:
    """All six runs at seed 0: four scored, of which voc_r50 has pictures, ade20k_r50 stale, ade20k_r101 not run."""
    runs = [selected(folder, name, 0, *reasons) for name in RUNS]
    for run in runs:
        if run.run != "ade20k_r101":
            finish(run, PICTURES if run.run == "voc_r50" else NO_PICTURES)
    runs[2] = replace(runs[2], fingerprint="0" * 64)
    return compare(scale, runs, published(), ASSUMED)


def rows_of(*runs: SelectedRun, scale: str = "paper") -> list[dict[str, Any]]:
    """The rows of results.json for these runs."""
    rows: list[dict[str, Any]] = compare(scale, runs, published(), ASSUMED)["runs"]
    return rows
