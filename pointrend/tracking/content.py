"""The figures, settings, tags and descriptions that MLflow gets of a training and of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_RUN_NOTE

from pointrend.settings.recipe import Recipe
from pointrend.tracking.metrics_file import Point, metric_name

Row = Mapping[str, Any]  # of results.json

SCORES = ("miou", "all_accuracy", "boundary_iou")  # keys of metrics.json for the refined prediction
RUN_HASHES = {"model_sha256": "model.safetensors"}  # keys of train.json that have other names in results.json


def params(train: Mapping[str, Any]) -> dict[str, Any]:
    """Everything in train.json that can affect a result, flat; lists as JSON."""
    setting = train["setting"]
    recipe = {key: value for key, value in setting["recipe"].items() if key not in Recipe.keys_of("operation")}
    flat = {"seed": train["seed"], **{key: setting[key] for key in ("dataset", "backbone", "depth")}, **recipe}
    return {key: json.dumps(value) if isinstance(value, list) else value for key, value in flat.items()}


def training_tags(train: Mapping[str, Any], row: Row | None) -> dict[str, str]:
    """Hashes and commit of a training, and its verdict, if it has a ``row``."""
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
    return {"pointrend.verdict": row["verdict"], "pointrend.evidence": row["evidence"], MLFLOW_RUN_NOTE: note(row)}


def note(row: Row) -> str:
    """The description that MLflow shows above a run: verdict, our number, the published one, reasons, in Markdown."""
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
    """The figures of metrics.json in percent, and of each class that occurs; at ``step``, the last iteration."""
    named = {
        **{metric_name("val", key): metrics[key] for key in SCORES},
        **{metric_name("val", f"coarse_{key}"): value for key, value in metrics["coarse"].items()},
        **{metric_name("val", "iou", name): value for name, value in metrics["iou"].items()},
    }
    yield from (Point(name, value, step, time) for name, value in named.items() if value is not None)


def run_figures(rows: list[Row], time: int) -> Iterator[Point]:
    """The published number, and our number and difference, for trained and for released weights."""
    figures = {"published_miou": rows[0]["published_miou"]}
    for row in [*(row for row in rows if row["kind"] == "released"), headline(rows)]:
        prefix = "released_" if row["kind"] == "released" else ""
        figures |= {f"{prefix}miou": row["miou"], f"{prefix}difference": row["difference"]}
    yield from (Point(name, value, 0, time) for name, value in figures.items() if value is not None)


def headline(rows: list[Row]) -> Row:
    """The row for a run as a whole: the one over its seeds, otherwise the first scored one."""
    trained_first = sorted(rows, key=lambda row: ("seeds", "trained", "released").index(row["kind"]))
    return next((row for row in trained_first if row["miou"] is not None), trained_first[0])


def _commit(record: Mapping[str, Any] | None) -> str | None:
    code = ((record or {}).get("provenance") or {}).get("code") or {}
    return code.get("commit")
