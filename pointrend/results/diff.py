"""Two scored runs side by side, for `pointrend diff`: how they were made, and what they give."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pointrend.errors import ResultsError
from pointrend.evaluation.counts_file import StoredCounts, read_counts
from pointrend.results.chain import COUNTS, METRICS, METRICS_LOG, SCORING, TRAIN
from pointrend.results.intervals import paired_interval
from pointrend.results.run_files import read_record
from pointrend.settings.project import LOSSES

WIDTH = 80  # columns of a terminal
NOTHING = "–"
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
    classes = _differences(a.iou, b.iou)
    largest_first = classes["B - A"].abs().sort_values(ascending=False, kind="stable").index
    parts = [
        f"A  {a.folder}\nB  {b.folder}",
        _settings(a.made, b.made),
        f"{_text('scores, %', _differences(a.scores, b.scores))}\n{_interval(a.counts, b.counts)}",
        _text("last losses", _differences(a.losses, b.losses), digits=4) if a.losses and b.losses else "",
        _text("IoU, %", classes.loc[largest_first]),
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
        record = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
        losses = {name: record[name] for name in LOSSES}
    except (OSError, ValueError, LookupError, TypeError) as problem:
        raise ResultsError(f"{path} has no losses in its last line: {problem}", SCORE_AGAIN) from problem
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
    texts = {name: [_shortened(side.get(key, NOTHING), room) for key in keys] for name, side in (("A", a), ("B", b))}
    return pd.DataFrame(texts, keys).rename_axis(columns="made with").to_string()


def _shortened(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _differences(a: Mapping[str, float], b: Mapping[str, float]) -> pd.DataFrame:
    """Values of both and their difference; NaN where one has none."""
    return pd.DataFrame({"A": a, "B": b}, dtype=float).assign(**{"B - A": lambda both: both["B"] - both["A"]})


def _text(what: str, values: pd.DataFrame, digits: int = 2) -> str:
    forms = dict.fromkeys("AB", f"{{:.{digits}f}}".format) | {"B - A": f"{{:+z.{digits}f}}".format}
    return str(values.rename_axis(columns=what).to_string(formatters=forms, na_rep=NOTHING))


def _interval(a: StoredCounts, b: StoredCounts) -> str:
    try:
        low, high = paired_interval(b, a)
    except ValueError:
        return "no interval of the difference: they were not scored on the same images"
    return f"mIoU, B - A: {low:+z.2f} to {high:+z.2f} with other images (95 %)"
