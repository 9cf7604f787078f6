"""metrics.jsonl as tracking sees it: where the files are, and the points of the curves in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointrend.files import read_json
from pointrend.settings.project import Project

FILE = "metrics.jsonl"
PLACE = ("iteration", "time")
"""Keys of a record that say where a point lies; every other number is a metric."""


@dataclass(frozen=True)
class Spool:
    """A metrics.jsonl, and the training that writes or wrote it."""

    run: str
    seed: int
    fingerprint: str
    """The first 16 digits, as in the name of a checkpoint folder."""
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


def finished_spools(project: Project) -> list[Spool]:
    """Those of the trainings that have ended, from the run folders of the current scale.

    Raises:
        ResultsError: a train.json cannot be read.
    """
    spools = []
    for run, seed, folder in _of_known_runs(project, project.runs_folder):
        if (folder / "train.json").is_file() and (folder / FILE).is_file():
            train = read_json(folder / "train.json", do=f"run `pointrend train {run} --seed {seed}` again")
            spools.append(Spool(run, seed, train["fingerprint"][:16], folder / FILE))
    return spools


def growing_spools(project: Project) -> list[Spool]:
    """The one last written to of each run and seed, from the checkpoint folders of the current scale."""
    spools = []
    for run, seed, folder in _of_known_runs(project, project.checkpoints_folder):
        files = sorted(folder.glob(f"*/{FILE}"), key=lambda path: path.stat().st_mtime)
        spools += [Spool(run, seed, path.parent.name, path) for path in files[-1:]]
    return spools


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records of a spool in their order; a line that is not whole, or no record, is passed over.

    A training that resumes cuts the file and writes on, so a reader may meet half a line anywhere.
    """
    records = []
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            record = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            continue
        if isinstance(record, dict) and all(_is_number(record.get(key)) for key in PLACE):
            records.append(record)
    return records


def curve_points(records: Iterable[dict[str, Any]]) -> Iterator[Point]:
    """Every number of every record as a point of the curve ``train/<key>``."""
    for record in records:
        step, time = int(record["iteration"]), milliseconds(record["time"])
        for key, value in record.items():
            if key not in PLACE and _is_number(value):
                yield Point(metric_name("train", key), float(value), step, time)


def metric_name(*parts: str) -> str:
    """``part/part``, with what MLflow does not take in the name of a metric made ``_``."""
    return "/".join(re.sub(r"[^\w\-. ]", "_", part) for part in parts)


def milliseconds(seconds: float) -> int:
    """Unix seconds as MLflow's unix milliseconds."""
    return round(seconds * 1000)


def _of_known_runs(project: Project, folder: Path) -> Iterator[tuple[str, int, Path]]:
    """(run, seed, folder) of the folders ``<run>-s<seed>`` whose run is in params.yaml."""
    for run in project.params.runs:
        found = (
            (re.fullmatch(r"(\d+)", path.name.removeprefix(f"{run}-s")), path) for path in folder.glob(f"{run}-s*")
        )
        yield from sorted((run, int(seed[1]), path) for seed, path in found if seed)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
