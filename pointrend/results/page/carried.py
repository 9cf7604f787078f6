"""The files of the runs that the page carries inside itself.

The page shows more than results.json holds: curves, scores per class, pictures. It is made from files of the runs and
carries these files whole, as data URIs; their sha256 are in results.json. So the page can be made again, byte for
byte, where the runs are no longer at hand: from the page itself.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from pointrend.datasets.registry import classes_of
from pointrend.errors import CheckFailed, ResultsError
from pointrend.results.chain import CURVE, CURVE_TABLE, MATRIX, METRICS, folder_name
from pointrend.results.tables import Row

Carried = Mapping[str, bytes]  # contents by ``<folder of the run>/<file>``

Scores = Mapping[str, float | None]  # IoU in percent by class name, None where the class is absent

PICTURE_BYTES = 4_000_000  # of all pictures in the page together; as base64 they are a third more
RANKS = ("best", "median", "worst")  # what is shown before the first pictures of the split, in this order
TYPES = {".json": "application/json", ".csv": "text/csv", ".png": "image/png", ".jpg": "image/jpeg"}
TYPES |= {".parquet": "application/octet-stream"}


@dataclass(frozen=True)
class Picture:
    """A drawn validation image of a run; ``miou`` is its own, in percent, None where nothing is labelled in it."""

    file: str
    id: str
    index: int
    miou: float | None
    shown_as: Sequence[str]
    bytes: int

    @property
    def rank(self) -> int:
        """Rank among what is shown first; ``len(RANKS)`` for a picture that is only one of the first."""
        return min((RANKS.index(word) for word in self.shown_as if word in RANKS), default=len(RANKS))


def carried_name(row: Row, name: str) -> str:
    """What a file of a row is called among those that the page carries."""
    return f"{folder_name(row)}/{name}"


def published_curve(row: Row) -> str:
    """What the losses in a run's published training log are called among those that the page carries."""
    return f"{row['run']}-published/{CURVE}"


def shown_pictures(results: Mapping[str, Any]) -> dict[str, list[Picture]]:
    """The pictures that the page shows, by folder of the run, in the order in which they are shown.

    The best, the median and the worst of every run come first, then the first ones of the split, run by run in turn,
    for as long as :data:`PICTURE_BYTES` last; those of further seeds and of released weights after all others.
    """
    rows = [row for row in results["runs"] if row["pictures"]]
    shown: dict[str, list[Picture]] = {folder_name(row): [] for row in rows}
    leading = first_of_runs(rows)
    left = PICTURE_BYTES
    for group in (leading, [row for row in rows if row not in leading]):
        for turn in zip_longest(*map(_pictures_of, group)):
            for row, picture in zip(group, turn, strict=True):
                if picture is not None and picture.bytes <= left:
                    shown[folder_name(row)].append(picture)
                    left -= picture.bytes
    return shown


def first_of_runs(rows: Iterable[Row]) -> list[Row]:
    """The first row of every run."""
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row["run"], row)
    return list(first.values())


def _pictures_of(row: Row) -> list[Picture]:
    """The pictures of a row: best, median, worst, then the others by their place in the split."""
    keys = ("id", "index", "miou", "shown_as", "bytes")
    pictures = [Picture(file, *(facts[key] for key in keys)) for file, facts in row["pictures"].items()]
    return sorted(pictures, key=lambda picture: (picture.rank, picture.index))


def gather(results: Mapping[str, Any], runs: Path, page: Path) -> dict[str, bytes]:
    """The files to be carried, from the folder of all ``runs``, or else from the ``page`` as it was written before.

    Raises:
        ResultsError: a file is neither there nor in the page.
        CheckFailed: a file of a run is not the one that the results were made from.
    """
    before = read_carried(page.read_text(encoding="utf-8", errors="replace")) if page.is_file() else {}
    return {name: _content(runs / name, before.get(name), expected, page) for name, expected in _wanted(results)}


def class_scores(results: Mapping[str, Any], carried: Carried, key: str = "iou") -> Iterable[tuple[Row, Scores]]:
    """The scored rows and their IoU per class, in the dataset's order.

    Raises:
        CheckFailed: a metrics.json has none.
    """
    for row in results["runs"]:
        name = carried_name(row, METRICS)
        if row["kind"] == "seeds" or name not in carried:
            continue
        try:
            found = json.loads(carried[name])[key]
            scores = {str(key): None if value is None else float(value) for key, value in found.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise CheckFailed(f"{name} has no IoU per class: {problem!r}", "evaluate that run again") from problem
        order = {name: index for index, name in enumerate(classes_of(row["setting"]["dataset"]).names)}
        yield row, {name: scores[name] for name in sorted(scores, key=lambda name: order.get(name, len(order)))}


def data_uri(name: str, content: bytes) -> str:
    """A file as a URI that needs nothing else."""
    return f"data:{TYPES[Path(name).suffix]};base64,{base64.b64encode(content).decode()}"


def read_carried(page: str) -> dict[str, bytes]:
    """The files that a page carries; those that are damaged are left out."""
    found = re.findall(r' data-file="([^"]*)" (?:src|href)="data:[^";]*;base64,([A-Za-z0-9+/=]*)"', page)
    carried = {}
    for name, content in found:
        try:
            carried[html.unescape(name)] = base64.b64decode(content, validate=True)
        except ValueError:
            continue
    return carried


def rows_with_matrix(results: Mapping[str, Any]) -> list[Row]:
    """The first training of every run that has a confusion matrix; the page carries no others."""
    return first_of_runs(row for row in results["runs"] if row["kind"] == "trained" and MATRIX in row["hashes"])


def _wanted(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names of the files to be carried, and their sha256."""
    shown = shown_pictures(results)
    for row in rows_with_matrix(results):
        yield carried_name(row, MATRIX), row["hashes"][MATRIX]
    for row in results["runs"]:
        pictures = [f"pictures/{picture.file}" for picture in shown.get(folder_name(row), ())]
        for name in (METRICS, CURVE_TABLE, *pictures):
            if name in row["hashes"]:
                yield carried_name(row, name), row["hashes"][name]
        if row.get("audit"):
            yield published_curve(row), row["audit"]["hashes"][CURVE]


def _content(path: Path, before: bytes | None, expected: str, page: Path) -> bytes:
    if path.is_file():
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != expected:
            raise CheckFailed(f"{path} is not the one that results.json names", "run `pointrend compare`")
        return content
    if before is None or hashlib.sha256(before).hexdigest() != expected:
        what = f"{path} does not exist, and {page} does not carry it"
        raise ResultsError(what, "restore it, or evaluate the run again and run `pointrend compare`")
    return before
