"""Two scored runs side by side, for `pointrend diff`: how they were made, and what they give."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointrend.errors import ResultsError
from pointrend.evaluation.counts_file import StoredCounts, read_counts
from pointrend.files import read_json_lines
from pointrend.results.chain import COUNTS, METRICS, METRICS_LOG, SCORING, TRAIN
from pointrend.results.intervals import paired_interval
from pointrend.results.run_files import read_record
from pointrend.settings.project import LOSSES
from pointrend.terminal import NOTHING, WIDTH, table

SCORE_AGAIN = "train and score it again, or name another run"
# Keys of train.json, or of evaluate.json for released weights, that are compared besides the setting and the data.
MADE_BY = ("seed", "gpus", "nodes", "batch_norm", "precision", "code_sha256", "source", "lock_sha256", "machine")


@dataclass(frozen=True)
class Side:
    """One of the two runs.

    Attributes:
        made: what it was made with, as text by dotted keys.
        scores: in percent, by name.
        iou: in percent, by class; NaN where no image has the class.
        losses: the last ones of the training; empty for released weights.
        counts: of every image.
    """

    folder: Path
    made: Mapping[str, str]
    scores: Mapping[str, float]
    iou: Mapping[str, float]
    losses: Mapping[str, float]
    counts: StoredCounts

    @classmethod
    def read(cls, folder: Path) -> Side:
        """The run in ``folder``; raises ResultsError if it is not one that was scored."""
        metrics, scoring = (read_record(folder / name, SCORE_AGAIN) for name in (METRICS, SCORING))
        trained = (folder / TRAIN).is_file()
        record = read_record(folder / TRAIN, SCORE_AGAIN) if trained else scoring
        made = {**record["setting"], "data": record["data"].get("content"), **{key: record.get(key) for key in MADE_BY}}
        scores = {
            "mIoU": metrics["miou"],
            "mIoU before refinement": metrics["coarse"].get("miou"),
            "boundary IoU": metrics["boundary_iou"],
            "pixel accuracy": metrics["all_accuracy"],
        }
        return cls(
            folder,
            dict(_flat(made)),
            _numbers(folder / METRICS, scores),
            _numbers(folder / METRICS, metrics["iou"]),
            _last_losses(folder / METRICS_LOG) if trained else {},
            read_counts(folder / COUNTS),
        )


def diff_text(a: Side, b: Side) -> str:
    """Tables for a terminal: what differs in how they were made, scores, last losses, and the IoU of every class."""
    parts = [
        f"A  {a.folder}\nB  {b.folder}",
        _settings(a.made, b.made),
        f"{_values('scores, %', a.scores, b.scores)}\n{_interval(a.counts, b.counts)}",
        _values("last losses", a.losses, b.losses, digits=4) if a.losses and b.losses else "",
        _values("IoU, %", a.iou, b.iou, largest_first=True),
    ]
    return "\n\n".join(filter(None, parts))


def _flat(values: Mapping[str, Any], start: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{start}{key}.")
        else:
            yield f"{start}{key}", str(value)


def _last_losses(path: Path) -> dict[str, float]:
    try:
        *_, record = (record for record in read_json_lines(path) if LOSSES[0] in record)
        losses = {name: record[name] for name in LOSSES}
    except (OSError, ValueError, LookupError) as problem:
        raise ResultsError(f"{path} has no losses: {problem}", SCORE_AGAIN) from problem
    return _numbers(path, losses)


def _numbers(path: Path, values: Mapping[str, Any]) -> dict[str, float]:
    """``values`` with NaN for null; raises ResultsError if one is no number."""
    for name, value in values.items():
        if not isinstance(value, int | float | None):
            raise ResultsError(f"{path} has the value {value!r} for {name}, which is no number", SCORE_AGAIN)
    return {name: math.nan if value is None else float(value) for name, value in values.items()}


def _settings(a: Mapping[str, str], b: Mapping[str, str]) -> str:
    keys = [key for key in dict.fromkeys((*a, *b)) if a.get(key) != b.get(key)]
    if not keys:
        return "the same settings, data, code and machine"
    room = (WIDTH - max(map(len, keys))) // 2 - 2
    rows = ([key, *(_shortened(side.get(key, NOTHING), room) for side in (a, b))] for key in keys)
    return table([("made with", "A", "B"), *rows])


def _shortened(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _values(
    what: str, a: Mapping[str, float], b: Mapping[str, float], digits: int = 2, largest_first: bool = False
) -> str:
    """Values of both and their difference; a dash where one has none."""
    pairs = {name: (a.get(name, math.nan), b.get(name, math.nan)) for name in {**a, **b}}
    rows = [(name, *both, both[1] - both[0]) for name, both in pairs.items()]
    if largest_first:
        rows.sort(key=lambda row: math.inf if math.isnan(row[3]) else -abs(row[3]))
    forms = (f".{digits}f", f".{digits}f", f"+z.{digits}f")
    texts = (
        (name, *(NOTHING if math.isnan(x) else f"{x:{form}}" for x, form in zip(figures, forms, strict=True)))
        for name, *figures in rows
    )
    return table([(what, "A", "B", "B - A"), *texts])


def _interval(a: StoredCounts, b: StoredCounts) -> str:
    try:
        low, high = paired_interval(b, a)
    except ValueError:
        return "no interval of the difference: they were not scored on the same images"
    return f"mIoU, B - A: {low:+z.2f} to {high:+z.2f} with other images (95 %)"
