"""The results for other programs: results.csv, classes.csv, metrics.json, and a LaTeX table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from statistics import fmean
from typing import Any

import pandas as pd

from pointrend.results.page.carried import Carried, class_scores
from pointrend.results.tables import Row, Table, rows_by_run

MIOU = "metrics.json"
_ENDS = ("low", "high")
_LATEX = {"−": "$-$", "±": r"$\pm$", "–": "--"}  # what LaTeX without Unicode fonts does not have


def results_csv(results: Mapping[str, Any]) -> str:
    """results.csv: one line per row of results.json; mIoU in percent, differences and intervals in points."""
    return _csv(pd.DataFrame([_of_row(row) for row in results["runs"]]))


def classes_csv(results: Mapping[str, Any], carried: Carried) -> str:
    """classes.csv: IoU in percent by run, seed and class; empty where the class is in no label and no prediction.

    Raises:
        CheckFailed: a metrics.json has no scores by class.
    """
    columns = ["run", "kind", "seed", "class", "iou"]
    lines = [
        (row["run"], row["kind"], row["seed"], name, iou)
        for row, scores in class_scores(results, carried)
        for name, iou in scores.items()
    ]
    return _csv(pd.DataFrame(lines, columns=columns))


def miou_json(results: Mapping[str, Any]) -> str:
    """metrics.json, which `dvc metrics show` prints: the mIoU in percent by run, the mean over its scored seeds.

    It is kept in DVC's cache, so that experiments have it, and not under version control.
    """
    scored = (row for row in results["runs"] if row["kind"] == "trained" and row["miou"] is not None)
    by_run = rows_by_run({"runs": scored})
    return json.dumps({run: fmean(row["miou"] for row in rows) for run, rows in by_run.items()}, indent=2) + "\n"


def latex(table: Table) -> str:
    """A table of text as a LaTeX tabular with the rules of booktabs."""
    frame = pd.DataFrame(table.rows, columns=list(table.columns))
    text: str = frame.to_latex(index=False, escape=True)
    for character, written in _LATEX.items():
        text = text.replace(character, written)
    return text


def _of_row(row: Row) -> dict[str, Any]:
    measures = row["measures"] or {}
    keys = ("run", "kind", "seed", "n", "miou", "published_miou", "difference")
    return {
        **{key: row[key] for key in keys},
        **_interval("difference", row["interval"]),
        **{key: row[key] for key in ("verdict", "evidence", "comparable", "sigma")},
        **_interval("miou", row["image_interval"]),
        "coarse_miou": measures.get("coarse", {}).get("miou"),
        "boundary_iou": measures.get("boundary_iou"),
        "all_accuracy": measures.get("all_accuracy"),
    }


def _interval(name: str, ends: tuple[float, float] | None) -> dict[str, float | None]:
    return {f"{name}_{end}": value for end, value in zip(_ENDS, ends or (None, None), strict=True)}


def _csv(frame: pd.DataFrame) -> str:
    frame["seed"] = frame["seed"].astype("Int64")  # whole numbers, with gaps
    return str(frame.to_csv(index=False, lineterminator="\n"))
