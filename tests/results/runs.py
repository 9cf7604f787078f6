"""Runs made up for the tests: folders with files that belong together, and results made from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pointrend.evaluation.confusion import Counts
from pointrend.evaluation.counts_file import counts_table, write_counts
from pointrend.files import sha256_file, write_json, write_text
from pointrend.results.compare import compare
from pointrend.results.published import Published, load_published
from pointrend.results.run_files import SelectedRun
from pointrend.results.verdict import Spread

PUBLISHED = Path(__file__).parents[2] / "published"
FINGERPRINT = "f" * 64
RUNS = ("voc_r50", "voc_r101", "ade20k_r50", "ade20k_r101", "cityscapes_r50", "cityscapes_r101")
ASSUMED = {dataset: Spread(0.3, "assumed") for dataset in ("voc", "ade20k", "cityscapes")}
INPUTS = {"data_manifest_sha256": "d" * 64, "backbone_sha256": "b" * 64, "code_sha256": "c" * 64}
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


def finish(run: SelectedRun, pictures: Sequence[str] = ()) -> None:
    """Write the files of a trained and evaluated run."""
    train = {"run": run.run, "seed": run.seed, "fingerprint": FINGERPRINT, "model_sha256": "a" * 64}
    write_json(run.folder / "train.json", train | INPUTS | TRAINED | {"setting": run.setting})
    first, second = (Counts(*np.array(rows)) for rows in ([[5, 0], [6, 2], [7, 1]], [[3, 1], [3, 1], [3, 1]]))
    write_counts(run.folder / "confusion.parquet", counts_table({"a": first, "b": second}, 2))
    metrics = {
        "miou": MIOU,
        "all_accuracy": 75.0,
        "boundary_iou": 40.0,
        "coarse": {"miou": 50.0, "boundary_iou": 30.0},
        "n_images": 2,
        "pictures": list(pictures),
        "model_sha256": "a" * 64,
        "sha256": sha256_file(run.folder / "confusion.parquet"),
    }
    write_json(run.folder / "metrics.json", metrics)
    scoring = {"model_sha256": "a" * 64, "metrics_sha256": sha256_file(run.folder / "metrics.json")}
    data = {"data_manifest_sha256": INPUTS["data_manifest_sha256"], "code_sha256": "5" * 64}
    write_json(run.folder / "evaluate.json", COMPUTED | scoring | data)
    write_text(run.folder / "curve.csv", "iteration,loss\n50,1.0\n")
    write_text(run.folder / "scores.json", "{}\n")
    write_text(run.folder / "metrics.jsonl", '{"iteration": 50, "loss": 1.0}\n')
    for name in pictures:
        write_text(run.folder / "pictures" / name, f"picture {name}")


def results_of(folder: Path, scale: str = "demo", reasons: Sequence[str] = ("scale demo",)) -> dict[str, Any]:
    """All six runs at seed 0: four scored, of which voc_r50 has pictures, ade20k_r50 stale, ade20k_r101 not run."""
    runs = [selected(folder, name, 0, *reasons) for name in RUNS]
    for run in runs:
        if run.run != "ade20k_r101":
            finish(run, ["2007_000033.png", "a b#1.png"] if run.run == "voc_r50" else [])
    runs[2] = replace(runs[2], fingerprint="0" * 64)
    return compare(scale, runs, published(), ASSUMED)
