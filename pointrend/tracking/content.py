"""What MLflow is told about a training and about a run: figures, settings, tags and descriptions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_RUN_NOTE

from pointrend.settings.recipe import Recipe
from pointrend.tracking.spool import Point, metric_name

Row = Mapping[str, Any]
"""A row of results.json."""

SCORES = ("miou", "all_accuracy", "boundary_iou")
"""What metrics.json gives of the refined prediction, and under ``coarse`` of the coarse one."""

RUN_HASHES = {"model_sha256": "model.safetensors"}
"""Keys of train.json that results.json calls otherwise."""


def params(train: Mapping[str, Any]) -> dict[str, Any]:
    """Everything in train.json that a result can follow from, flat; lists as JSON."""
    setting = train["setting"]
    recipe = {key: value for key, value in setting["recipe"].items() if key not in Recipe.keys_of("operation")}
    flat = {"seed": train["seed"], **{key: setting[key] for key in ("dataset", "backbone", "depth")}, **recipe}
    return {key: json.dumps(value) if isinstance(value, list) else value for key, value in flat.items()}


def training_tags(train: Mapping[str, Any], row: Row | None) -> dict[str, str]:
    """Hashes and commit of a training, and the verdict on it, if ``row`` is about it."""
    named = {RUN_HASHES.get(key, key.removesuffix("_sha256")): key for key in train if key.endswith("_sha256")}
    hashes = {name: train[key] for name, key in named.items() if train[key]} | {"fingerprint": train["fingerprint"]}
    if row:
        hashes |= {name: sha256 for name, sha256 in row["hashes"].items() if not name.startswith("pictures/")}
    tags = {f"sha256.{name}": sha256 for name, sha256 in hashes.items()}
    if commit := _commit(row) or _commit(train):
        tags[MLFLOW_GIT_COMMIT] = commit
    return {**tags, **(verdict_tags(row) if row else {})}


def verdict_tags(row: Row) -> dict[str, str]:
    """Verdict, evidence and description of a run or a training."""
    return {
        "pointrend.verdict": row["verdict"],
        "pointrend.evidence": row["evidence"],
        MLFLOW_RUN_NOTE: note(row),
    }


def note(row: Row) -> str:
    """The description that MLflow shows above a run: verdict, ours, published, why, in Markdown."""
    lines = [f"**{row['verdict']}** (evidence: {row['evidence']})", ""]
    figures = {"ours": row["miou"], "published": row["published_miou"], "difference": row["difference"]}
    lines += [
        f"* {name}: {value:.2f}{' points' if name == 'difference' else '%'}"
        for name, value in figures.items()
        if value is not None
    ]
    if row["interval"] is not None:
        low, high = row["interval"]
        lines.append(f"* 95 % interval of the difference over seeds: {low:+.2f} to {high:+.2f} points")
    if row["reasons"]:
        lines.append(f"* {'; '.join(row['reasons'])}")
    return "\n".join(lines)


def scores(metrics: Mapping[str, Any], step: int, time: int) -> Iterator[Point]:
    """The figures of metrics.json in percent, per class where the class occurs; at ``step``, the last iteration."""
    named = {
        **{metric_name("val", key): metrics[key] for key in SCORES},
        **{metric_name("val", f"coarse_{key}"): value for key, value in metrics["coarse"].items()},
        **{metric_name("val", "iou", name): value for name, value in metrics["iou"].items()},
    }
    yield from (Point(name, value, step, time) for name, value in named.items() if value is not None)


def run_figures(rows: list[Row], time: int) -> Iterator[Point]:
    """What stands beside the published number: ours and the difference, and those of the released weights."""
    figures = {"published_miou": rows[0]["published_miou"]}
    for row in [*(row for row in rows if row["kind"] == "released"), headline(rows)]:
        prefix = "released_" if row["kind"] == "released" else ""
        figures |= {f"{prefix}miou": row["miou"], f"{prefix}difference": row["difference"]}
    yield from (Point(name, value, 0, time) for name, value in figures.items() if value is not None)


def headline(rows: list[Row]) -> Row:
    """The row that speaks for a run as a whole: that over its seeds, else the first one that is scored."""
    trained_first = sorted(rows, key=lambda row: ("seeds", "trained", "released").index(row["kind"]))
    return next((row for row in trained_first if row["miou"] is not None), trained_first[0])


def _commit(record: Mapping[str, Any] | None) -> str | None:
    code = ((record or {}).get("provenance") or {}).get("code") or {}
    return code.get("commit")
