"""A project whose trainings are made up, the command that sends them to MLflow, and the content of a database."""

import json
import shutil
import socket
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from pointrend.cli import main
from pointrend.evaluation.confusion import Counts
from pointrend.evaluation.counts_file import counts_table, matrix_table, write_counts
from pointrend.files import sha256_file, write_json, write_text
from pointrend.results.compare import sealed
from pointrend.settings.params import load_params

ROOT = Path(__file__).parents[2]
START = 1_700_000_000.25  # unix seconds of the first record
FINGERPRINT = "f" * 64
CURVES = {"train/loss", "train/lr", "train/epoch"}

Key = tuple[str, int]


def make_project(root: Path) -> Path:
    """A folder with params.yaml at scale demo and a prepared dataset."""
    root.mkdir()
    shutil.copy(ROOT / "params.yaml", root / "params.yaml")
    write_json(root / "data/demo/voc/manifest.json", {"counts": {"train": {"found": 96}}, "pins": "demo"})
    return root


def sync(root: Path, expect: int = 0) -> None:
    """`pointrend track sync`, which must end with this exit code."""
    assert main(["--params", str(root / "params.yaml"), "--scale", "demo", "track", "sync"]) == expect


def refusing() -> str:
    """An address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def records(first: int, last: int, start: float = START) -> list[dict[str, Any]]:
    return [
        {"iteration": i, "epoch": 1, "lr": 0.1 / i, "loss": round(3 / i, 6), "time": start + i}
        for i in range(first, last + 1)
    ]


def spool(path: Path, content: list[dict[str, Any]], tail: str = "") -> Path:
    """Write records, and half a line after them."""
    write_text(path, "".join(json.dumps(record) + "\n" for record in content) + tail)
    return path


def growing(root: Path, run: str = "voc_r50", seed: int = 0, fingerprint: str = FINGERPRINT) -> Path:
    """Where the spool of a training that goes on lies."""
    return root / f"checkpoints/demo/{run}-s{seed}/{fingerprint[:16]}/metrics.jsonl"


def finish(root: Path, run: str = "voc_r50", seed: int = 0, fingerprint: str = FINGERPRINT, steps: int = 6) -> None:
    """The folder of a training that has ended and was scored."""
    folder = root / f"runs/demo/{run}-s{seed}"
    spool(folder / "metrics.jsonl", records(1, steps))
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"w": np.array([seed], np.float32)}, folder / "model.safetensors", {"of": f"{run} {fingerprint}"})
    write_text(folder / "pictures/a.png", "a picture")
    matrix = np.diag([9] * 21)
    matrix[15, 0] = 3
    write_counts(folder / "confusion.parquet", counts_table({"a": Counts.of(matrix)}, 21))
    write_counts(folder / "matrix.parquet", matrix_table(matrix))
    scores = {"miou": 70.0 + seed, "all_accuracy": 90.0, "boundary_iou": 60.0}
    iou = {"background": 95.0, "dining table": 45.0 + seed, "train": None}
    write_json(folder / "metrics.json", {**scores, "coarse": {"miou": 65.0, "boundary_iou": 50.0}, "iou": iou})
    setting = load_params(ROOT / "params.yaml").at_scale("demo").setting(run)
    train = {
        **{"run": run, "seed": seed, "scale": "demo", "fingerprint": fingerprint},
        "setting": setting.model_dump(mode="json"),
        **{"iterations": steps, "backbone_sha256": None, "code_sha256": "c" * 64},
        "data_manifest_sha256": sha256_file(root / "data/demo/voc/manifest.json"),
        "model_sha256": sha256_file(folder / "model.safetensors"),
    }
    write_json(folder / "train.json", train)


def row(run: str = "voc_r50", seed: int | None = 0, **changed: Any) -> dict[str, Any]:
    """A row of results.json as the demo has it; ``changed`` replaces parts."""
    return {
        **{"run": run, "seed": seed, "kind": "trained", "n": 1, "miou": 70.0 + (seed or 0), "published_miou": 69.84},
        **{"difference": None, "comparable": False, "reasons": ["scale demo"]},
        **{"evidence": "one-seed", "verdict": "not comparable"},
        **dict.fromkeys(("sigma", "sigma_source", "interval", "image_interval", "paired_interval", "measures")),
        **dict.fromkeys(("provenance", "audit", "curve", "sealed")),
        "setting": {"dataset": "voc", "backbone": "r50", "depth": 50, "recipe": {"output_stride": 32}},
        "validation": [],
        "pictures": {"a.png": {"id": "a", "index": 0, "miou": None, "shown_as": ["best"], "bytes": 9}},
        "hashes": {"fingerprint": FINGERPRINT, "confusion.parquet": "e" * 64, "pictures/a.png": "9" * 64},
    } | changed


def consistent(**changed: Any) -> dict[str, Any]:
    """A row whose number is consistent with the published one."""
    figures = {"difference": 0.16, "verdict": "consistent", "reasons": [], "interval": [-0.67, 0.99]}
    return row(**(figures | changed))


def write_results(root: Path, *rows: dict[str, Any]) -> None:
    results, published = root / "results/demo", {"file": "p.md", "sha256": "b" * 64}
    headline = {"runs": 1, "reproduced": 0, "below or above": 0}
    whole = {"scale": "demo", "published": published, "headline": headline, "runs": list(rows)}
    write_json(results / "results.json", sealed(whole))
    write_text(results / "README.md", f"{len(rows)} rows")
    for name in ("index.html", "results.csv", "classes.csv"):
        write_text(results / name, name)


def tables(database: Path) -> list[str]:
    with sqlite3.connect(database) as connection:
        return list(connection.iterdump())


def query(database: Path, statement: str) -> list[Any]:
    with sqlite3.connect(database) as connection:
        return connection.execute(statement).fetchall()


def points(database: Path) -> Counter[Key]:
    """How many points there are of every metric at every step, over all trainings."""
    trainings = "SELECT run_uuid FROM tags WHERE key = 'pointrend.kind' AND value = 'training'"
    return Counter(query(database, f"SELECT key, step FROM metrics WHERE run_uuid IN ({trainings})"))  # noqa: S608 our own words


def expected(last: int) -> Counter[Key]:
    """Every point of the curves of one training once, up to iteration ``last``."""
    return Counter({(name, step): 1 for name in CURVES for step in range(1, last + 1)})
