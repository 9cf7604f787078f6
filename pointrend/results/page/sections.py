"""What the page shows besides tables and plots: the answer for each run, IoU per class, and pictures run by run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from pointrend.datasets.registry import classes_of
from pointrend.errors import CheckFailed
from pointrend.results import tables
from pointrend.results.chain import CURVE_TABLE, METRICS, folder_name
from pointrend.results.page.carried import (
    RANKS,
    Carried,
    Picture,
    carried_name,
    data_uri,
    published_curve,
    shown_pictures,
)
from pointrend.results.page.parties import second_scores
from pointrend.results.published import OriginalTraining, Published
from pointrend.results.tables import Row, Table, percent, row_name

Scores = Mapping[str, float | None]  # IoU in percent by class name, None where the class is absent


@dataclass(frozen=True)
class Card:
    """The answer for one run: its figures as text, what is known of its trainings, and under them every figure.

    ``proofs``: for each row of results.json what its figure rests on.
    """

    title: str
    run: str
    published: str
    seeds: str
    miou: str
    difference: str
    verdict: str
    facts: Sequence[str]
    figures: Table
    proofs: Sequence[Mapping[str, Any]]


def cards(results: Mapping[str, Any], published: Published, carried: Carried) -> list[Card]:
    """One card per run."""
    return [_card(run, rows, published, carried) for run, rows in tables.rows_by_run(results).items()]


def _card(run: str, rows: Sequence[Row], published: Published, carried: Carried) -> Card:
    return Card(
        tables.run_title(rows[0]),
        run,
        tables.theirs(published, run),
        tables.seeds_text(rows),
        *tables.trained_cells(rows),
        [
            *_facts([row["provenance"] for row in rows if row["kind"] == "trained" and row["provenance"]]),
            *second_scores(rows, carried),
        ],
        tables.figures_table(rows),
        [_proof(row, carried) for row in rows],
    )


def _facts(trainings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Date, commit and machine of the last training, and the time of all, as far as they are known."""
    if not trainings:
        return []
    last = trainings[-1]
    code, machine = (_known(last, key, dict) for key in ("code", "machine"))
    seconds = [time for known in trainings if (time := _known(known, "seconds", float))]
    facts = {
        "": _known(last, "began", str)[:10],
        "commit ": _known(code, "commit", str)[:10],
        "on ": ", ".join(filter(None, (_known(machine, key, str) for key in ("device", "processor")))),
        "trained for ": _duration(sum(seconds)) + (f" over {len(seconds)} seeds" if len(seconds) > 1 else ""),
    }
    return [word + fact for word, fact in facts.items() if fact]


def _known(facts: Mapping[str, Any], key: str, kind: type[Any]) -> Any:
    """A fact of a record, whose form is not checked; nothing where it is missing or of another type."""
    return facts[key] if isinstance(facts.get(key), kind) else kind()


def _duration(seconds: float) -> str:
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{max(seconds / 60, 1):.0f} min" if seconds else ""


def _proof(row: Row, carried: Carried) -> dict[str, Any]:
    names = [carried_name(row, METRICS), carried_name(row, CURVE_TABLE)] if row["kind"] != "seeds" else []
    names += [published_curve(row)] if row["kind"] == "trained" else []
    return {
        "name": row_name(row),
        "evidence": row["evidence"],
        "files": {name: data_uri(name, carried[name]) for name in names if name in carried},
        "provenance": row["provenance"],
        "hashes": sorted(row["hashes"].items()),
    }


@dataclass(frozen=True)
class ClassTable:
    """IoU per class of one dataset, in its order of classes; ``columns`` are the names of the scored rows."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[float | None]]]
    absent: Sequence[str]  # classes that occur in no label and no prediction of any row


def class_tables(results: Mapping[str, Any], published: Published, carried: Carried) -> list[ClassTable]:
    """The tables of all datasets with a scored run; at scale demo with the means of the original's trainings.

    Raises:
        CheckFailed: a metrics.json has no scores by class.
    """
    columns: dict[str, dict[str, Scores]] = {}
    for row, scores in class_scores(results, carried):
        of_dataset = columns.setdefault(row["setting"]["dataset"], {})
        if trainings := published.trainings(row):
            of_dataset[f"{row['run']} (original, mean of {len(trainings)})"] = _mean_scores(trainings)
        of_dataset[row_name(row)] = scores
    return [_class_table(dataset, scores) for dataset, scores in columns.items()]


def class_scores(results: Mapping[str, Any], carried: Carried) -> Iterable[tuple[Row, Scores]]:
    """The scored rows and their IoU per class, in the dataset's order.

    Raises:
        CheckFailed: a metrics.json has none.
    """
    for row in results["runs"]:
        name = carried_name(row, METRICS)
        if row["kind"] == "seeds" or name not in carried:
            continue
        try:
            found = json.loads(carried[name])["iou"]
            scores = {str(key): None if value is None else float(value) for key, value in found.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise CheckFailed(f"{name} has no IoU per class: {problem!r}", "evaluate that run again") from problem
        order = {name: index for index, name in enumerate(classes_of(row["setting"]["dataset"]).names)}
        yield row, {name: scores[name] for name in sorted(scores, key=lambda name: order.get(name, len(order)))}


def _mean_scores(trainings: Sequence[OriginalTraining]) -> Scores:
    ious: dict[str, list[float]] = {}
    for training in trainings:
        for name, iou in training.iou.items():
            ious.setdefault(name, []).append(iou)
    return {name: fmean(values) for name, values in ious.items()}


def _class_table(dataset: str, columns: Mapping[str, Scores]) -> ClassTable:
    classes = list(dict.fromkeys(name for scores in columns.values() for name in scores))
    rows = [(name, [scores.get(name) for scores in columns.values()]) for name in classes]
    present = [(name, values) for name, values in rows if any(value is not None for value in values)]
    absent = [name for name, values in rows if all(value is None for value in values)]
    caption = f"{dataset}: {len(present)} classes" + (f", {len(absent)} absent" if absent else "")
    return ClassTable(caption, tuple(columns), present, absent)


def gallery(results: Mapping[str, Any], carried: Carried) -> dict[str, Any]:
    """The pictures of all runs that have some: best, median and worst, and the first of the split."""
    shown = shown_pictures(results)
    rows = [row for row in results["runs"] if row["pictures"]]
    if not rows:
        return {}
    runs = []
    for row in rows:
        pictures = shown[folder_name(row)]
        ranked = [_picture(row, picture, carried) for picture in pictures if picture.rank < len(RANKS)]
        first = [_picture(row, picture, carried) for picture in pictures if picture.rank == len(RANKS)]
        runs.append((row_name(row), ranked, first))
    return {
        "runs": runs,
        "shown": sum(map(len, shown.values())),
        "drawn": sum(len(row["pictures"]) for row in rows),
        "bytes": sum(picture.bytes for pictures in shown.values() for picture in pictures),
    }


def _picture(row: Row, picture: Picture, carried: Carried) -> dict[str, str]:
    file = carried_name(row, f"pictures/{picture.file}")
    return {
        "file": file,
        "uri": data_uri(file, carried[file]),
        "row_name": row_name(row),
        "words": ", ".join(word for word in picture.shown_as if word in RANKS) or f"no. {picture.index + 1}",
        "id": picture.id,
        "score": f"mIoU {percent(picture.miou)}" if picture.miou is not None else "nothing labelled",
    }


def plans(results: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """By run: a name, its planned seeds and what was started since, and the sha256 of the plan."""
    sealed = {row["run"]: row["sealed"] for row in results["runs"] if row["sealed"]}
    return [(f"seeds of {run}", _plan(plan), plan["sha256"]) for run, plan in sealed.items()]


def _plan(plan: Mapping[str, Any]) -> str:
    seeds, other = ", ".join(map(str, plan["seeds"])), plan["other"]
    more = f"; trained with other settings, data or code: {other} times" if other else ""
    return f"{seeds}, planned at {plan['time']}; starts since then: {plan['starts']}{more}"
