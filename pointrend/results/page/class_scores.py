"""IoU per class, a table a dataset: the mean hides which classes a network cannot do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pointrend.errors import CheckFailed
from pointrend.results.chain import METRICS
from pointrend.results.page.carried import Carried, carried_name
from pointrend.results.page.markup import element, markup_table, text
from pointrend.results.tables import row_name

ABSENT = "absent"  # a class that occurs in no label and no prediction

Scores = Mapping[str, float | None]  # IoU in percent by class name, None where the class is absent


def class_section(results: Mapping[str, Any], carried: Carried) -> str:
    """The tables of all datasets with a scored run.

    Raises:
        CheckFailed: a metrics.json has no scores by class.
    """
    scores: dict[str, dict[str, Scores]] = {}
    for row in results["runs"]:
        name = carried_name(row, METRICS)
        if name in carried:
            scores.setdefault(row["setting"]["dataset"], {})[row_name(row)] = _scores(name, carried[name])
    tables = (_dataset_table(dataset, columns) for dataset, columns in scores.items())
    return element("div", {"class": "class-tables"}, *tables) if scores else ""


def _scores(name: str, content: bytes) -> Scores:
    try:
        scores = json.loads(content)["iou"]
        return {str(key): None if value is None else float(value) for key, value in scores.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise CheckFailed(f"{name} has no IoU per class: {problem!r}", "evaluate that run again") from problem


def _dataset_table(dataset: str, columns: Mapping[str, Scores]) -> str:
    classes = list(dict.fromkeys(name for scores in columns.values() for name in scores))
    present = [name for name in classes if any(scores.get(name) is not None for scores in columns.values())]
    absent = [name for name in classes if name not in present]
    caption = f"{dataset}: {len(present)} classes" + (f", {len(absent)} {ABSENT}" if absent else "")
    rows = [[text(name), *(_score(scores.get(name)) for scores in columns.values())] for name in [*present, *absent]]
    return markup_table(caption, ["Class", *columns], rows, "classes")


def _score(value: float | None) -> str:
    if value is None:
        return element("span", {"class": "quiet"}, ABSENT)
    drawn = element("rect", {"width": value, "height": 6})
    box = {"viewBox": "0 0 100 6", "preserveAspectRatio": "none", "class": "share", "aria-hidden": "true"}
    return f"{value:.2f}%" + element("svg", box, drawn)
