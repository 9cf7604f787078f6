"""metrics.jsonl as tracking sees it: where the files are, and the points of their curves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointrend.files import read_json
from pointrend.settings.project import Project

NAME = "metrics.jsonl"
POSITION = ("iteration", "time")  # keys of a record that position its points; every other number is a metric


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
    """The records of a metrics file in their order, without incomplete lines and lines that are no records.

    A resumed training cuts the file and continues it, so a reader may meet half a line anywhere.
    """
    records = []
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            record = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            continue
        if isinstance(record, dict) and all(_is_number(record.get(key)) for key in POSITION):
            records.append(record)
    return records


def curve_points(records: Iterable[dict[str, Any]]) -> Iterator[Point]:
    """Every number of every record as a point of the curve ``train/<key>``."""
    for record in records:
        step, time = int(record["iteration"]), milliseconds(record["time"])
        for key, value in record.items():
            if key not in POSITION and _is_number(value):
                yield Point(metric_name("train", key), float(value), step, time)


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
