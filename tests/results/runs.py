"""Runs made up for the tests: folders with files that belong together, and results made from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pointrend.evaluation.confusion import Counts
from pointrend.evaluation.counts_file import counts_table, write_counts
from pointrend.files import sha256_file, write_bytes, write_json, write_text
from pointrend.results.compare import compare
from pointrend.results.published import Published, load_published
from pointrend.results.run_files import SelectedRun
from pointrend.results.verdict import Spread
from pointrend.training.metrics_log import curve_csv

PUBLISHED = Path(__file__).parents[2] / "published"
FINGERPRINT = "f" * 64
RUNS = ("voc_r50", "voc_r101", "ade20k_r50", "ade20k_r101", "cityscapes_r50", "cityscapes_r101")
ASSUMED = {dataset: Spread(0.3, "assumed") for dataset in ("voc", "ade20k", "cityscapes")}
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
    "attempts": [{"iteration": 0}, {"iteration": 50}],
    "gpus": 4,
    "nodes": 1,
    "images_per_gpu": 4,
    "batch_norm": "SyncBatchNorm",
    "checkpoint_rule": "last iteration",
}
MIOU = 100 * (8 / 11 + 1 / 4) / 2
"""Percent; of the counts that :func:`finish` writes."""


def published() -> Published:
    return load_published(PUBLISHED)


def selected(folder: Path, run: str = "voc_r50", seed: int = 0, *reasons: str, fingerprint: str = FINGERPRINT) -> Any:
    """A run whose folder is ``folder/<run>-s<seed>``; it is comparable where there are no reasons against."""
    dataset, backbone = run.split("_")
    setting = {"dataset": dataset, "recipe": {"output_stride": 32, "epochs": 60}}
    place = folder / f"{run}-s{seed}"
    return SelectedRun(run, seed, dataset, backbone, not reasons, reasons, setting, place, fingerprint)


def released(folder: Path, run: str = "voc_r50", *reasons: str) -> SelectedRun:
    """The released weights of a run, scored in ``folder/<run>-released``."""
    return replace(selected(folder, run, 0, *reasons), seed=None, folder=folder / f"{run}-released")


PICTURES = {"2007_000033.png": b"picture of a street", "a b#1.png": b"picture of a horse"}
"""Contents by file name; :func:`finish` calls the first one the best, and the others the first of the split."""


def finish(run: SelectedRun, pictures: Mapping[str, bytes] = NO_PICTURES) -> None:
    """Write the files of a trained and evaluated run."""
    train = {"run": run.run, "seed": run.seed, "fingerprint": FINGERPRINT, "model_sha256": "a" * 64}
    write_json(run.folder / "train.json", train | INPUTS | TRAINED | {"setting": run.setting})
    records = [
        {"iteration": 50 * i, "lr": 0.01 / i, "loss": 4 / i, "loss_point": 3 / i, "loss_coarse": 1 / i}
        for i in range(1, 9)
    ]
    log = "".join(json.dumps(record) + "\n" for record in records)
    write_text(run.folder / "metrics.jsonl", log)
    write_text(run.folder / "curve.csv", curve_csv(log.encode()))
    write_score(run, pictures)


def finish_release(run: SelectedRun, pictures: Mapping[str, bytes] = NO_PICTURES) -> None:
    """Write the files of scored released weights."""
    made_from = {"fingerprint": FINGERPRINT, "code_sha256": "e" * 64, "data_manifest_sha256": "d" * 64}
    write_score(run, pictures, **made_from)


def write_score(run: SelectedRun, pictures: Mapping[str, bytes], **more: str) -> None:
    """Write what an evaluation leaves behind; ``more`` goes into metrics.json."""
    first, second = (Counts(*np.array(rows)) for rows in ([[5, 0], [6, 2], [7, 1]], [[3, 1], [3, 1], [3, 1]]))
    write_counts(run.folder / "confusion.parquet", counts_table({"a": first, "b": second}, 2))
    metrics = {
        "miou": MIOU,
        "iou": {"background": 100 * 8 / 11, "bicycle": 25.0, "aeroplane": None},
        "all_accuracy": 75.0,
        "boundary_iou": 40.0,
        "coarse": {"miou": 50.0, "boundary_iou": 30.0},
        "n_images": 2,
        "pictures": {
            name: {
                "id": name.removesuffix(".png"),
                "index": index,
                "miou": 90.0 - index,
                "shown_as": ["first"] if index else ["best"],
                "bytes": len(content),
            }
            for index, (name, content) in enumerate(pictures.items())
        },
        "model_sha256": "a" * 64,
        "sha256": sha256_file(run.folder / "confusion.parquet"),
        **more,
    }
    write_json(run.folder / "metrics.json", metrics)
    scoring = {"model_sha256": "a" * 64, "metrics_sha256": sha256_file(run.folder / "metrics.json")}
    data = {"data_manifest_sha256": INPUTS["data_manifest_sha256"], "code_sha256": "5" * 64, "setting": run.setting}
    write_json(run.folder / "evaluate.json", COMPUTED | scoring | data | {"archives": TRAINED["archives"]})
    write_text(run.folder / "scores.json", "{}\n")
    for name, content in pictures.items():
        write_bytes(run.folder / "pictures" / name, content)


def results_of(folder: Path, scale: str = "demo", reasons: Sequence[str] = ("scale demo",)) -> dict[str, Any]:
    """All six runs at seed 0: four scored, of which voc_r50 has pictures, ade20k_r50 stale, ade20k_r101 not run."""
    runs = [selected(folder, name, 0, *reasons) for name in RUNS]
    for run in runs:
        if run.run != "ade20k_r101":
            finish(run, PICTURES if run.run == "voc_r50" else NO_PICTURES)
    runs[2] = replace(runs[2], fingerprint="0" * 64)
    return compare(scale, runs, published(), ASSUMED)
