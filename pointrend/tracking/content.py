"""What MLflow gets of a training and of a run: curves from metrics.jsonl, figures, settings, tags and descriptions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_RUN_NOTE

from pointrend.datasets.registry import classes_of
from pointrend.evaluation.mistaken import Pair, mistaken
from pointrend.files import read_json, read_json_lines
from pointrend.settings.definition import DEMO
from pointrend.settings.project import Project
from pointrend.settings.recipe import Recipe

Row = Mapping[str, Any]  # of results.json

NAME = "metrics.jsonl"
POSITION = ("iteration", "time")  # keys of a record that position its points; every other number is a metric
SYSTEM = ("images_per_second", "data_wait_share", "memory_mb")  # shown on MLflow's page of system metrics
SCORES = ("miou", "all_accuracy", "boundary_iou")  # keys of metrics.json for the refined prediction
MOST_PAIRS = 100  # of classes that are mistaken for one another
RUN_HASHES = {"model_sha256": "model.safetensors"}  # keys of train.json that have other names in results.json


@dataclass(frozen=True)
class MetricsFile:
    """A metrics.jsonl and its training; ``fingerprint`` has 16 digits, like the name of a checkpoint folder."""

    run: str
    seed: int
    fingerprint: str
    path: Path

    def __str__(self) -> str:
        return f"{self.run} seed {self.seed}"


@dataclass(frozen=True)
class Point:
    """One value of one metric; ``time`` in unix milliseconds."""

    name: str
    value: float
    step: int
    time: int


def finished_files(project: Project) -> list[MetricsFile]:
    """The files of finished trainings, from the run folders of the current scale.

    Raises:
        ResultsError: a train.json cannot be read.
    """
    files = []
    for run, seed, folder in _of_known_runs(project, project.runs_folder):
        if (folder / "train.json").is_file() and (folder / NAME).is_file():
            train = read_json(folder / "train.json", do=f"run `pointrend train {run} --seed {seed}` again")
            files.append(MetricsFile(run, seed, train["fingerprint"][:16], folder / NAME))
    return files


def growing_files(project: Project) -> list[MetricsFile]:
    """The last modified file per run and seed, from the checkpoint folders of the current scale."""
    files = []
    for run, seed, folder in _of_known_runs(project, project.checkpoints_folder):
        found = sorted(folder.glob(f"*/{NAME}"), key=lambda path: path.stat().st_mtime)
        files += [MetricsFile(run, seed, path.parent.name, path) for path in found[-1:]]
    return files


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records of a metrics file in their order, without incomplete lines and lines that are no records."""
    return [record for record in read_json_lines(path) if all(_is_number(record.get(key)) for key in POSITION)]


def curve_points(records: Iterable[dict[str, Any]]) -> Iterator[Point]:
    """Every number of every record as a point of the curve ``train/<key>``, or ``system/<key>`` of the machine's."""
    for record in records:
        step, time = int(record["iteration"]), milliseconds(record["time"])
        for key, value in record.items():
            if key not in POSITION and _is_number(value):
                yield Point(metric_name("system" if key in SYSTEM else "train", key), float(value), step, time)


def metric_name(*parts: str) -> str:
    """``part/part``, with ``_`` for the characters that MLflow rejects in the name of a metric."""
    return "/".join(re.sub(r"[^\w\-. ]", "_", part) for part in parts)


def milliseconds(seconds: float) -> int:
    """Unix seconds as MLflow's unix milliseconds."""
    return round(seconds * 1000)


def _of_known_runs(project: Project, folder: Path) -> list[tuple[str, int, Path]]:
    """(run, seed, folder) of the folders ``<run>-s<seed>`` whose run is in params.yaml."""
    found = ((re.fullmatch(r"(.+)-s(\d+)", path.name), path) for path in folder.glob("*-s*"))
    runs = list(project.params.runs)
    known = [(name[1], int(name[2]), path) for name, path in found if name and name[1] in runs]
    return sorted(known, key=lambda each: (runs.index(each[0]), each[1]))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def params(train: Mapping[str, Any]) -> dict[str, Any]:
    """Everything in train.json that can affect a result, flat; lists as JSON."""
    setting = train["setting"]
    recipe = {key: value for key, value in setting["recipe"].items() if key not in Recipe.keys_of("operation")}
    flat = {"seed": train["seed"], **{key: setting[key] for key in ("dataset", "backbone", "depth")}, **recipe}
    return {key: json.dumps(value) if isinstance(value, list) else value for key, value in flat.items()}


def hashes(train: Mapping[str, Any], row: Row | None) -> dict[str, str]:
    """sha256 of everything that the score of a training follows from, by name."""
    named = {RUN_HASHES.get(key, key.removesuffix("_sha256")): key for key in train if key.endswith("_sha256")}
    found = {name: train[key] for name, key in named.items() if train[key]} | {"fingerprint": train["fingerprint"]}
    return found | (dict(row["hashes"]) if row else {})


def training_tags(train: Mapping[str, Any], row: Row | None) -> dict[str, str]:
    """The commit of a training, and its verdict, if it has a ``row``."""
    tags = {}
    if commit := _commit(row) or _commit(train):
        tags[MLFLOW_GIT_COMMIT] = commit
    return {**tags, **(verdict_tags(row) if row else {})}


def verdict_tags(row: Row) -> dict[str, str]:
    """Verdict, evidence and description of a run or a training."""
    return {"pointrend.verdict": row["verdict"], "pointrend.evidence": row["evidence"], MLFLOW_RUN_NOTE: note(row)}


def note(row: Row) -> str:
    """The description that MLflow shows above a run: verdict, our number, theirs, reasons, in Markdown."""
    lines = [f"**{row['verdict']}** (evidence: {row['evidence']})", ""]
    theirs = "original" if row["setting"].get("scale") == DEMO else "published"
    for name, key, unit in (
        ("ours", "miou", "%"),
        (theirs, "published_miou", "%"),
        ("difference", "difference", " points"),
    ):
        if row[key] is not None:
            lines.append(f"* {name}: {row[key]:.2f}{unit}")
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


def confusion(folder: Path, dataset: str) -> dict[str, Any]:
    """The pairs of classes that a scored run mistakes most often, as a table that MLflow shows."""
    pairs = mistaken(folder, classes_of(dataset).names, MOST_PAIRS)
    return {"columns": Pair._fields, "data": [pair._replace(percent=round(pair.percent, 2)) for pair in pairs]}


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
    return (((record or {}).get("provenance") or {}).get("code") or {}).get("commit")
