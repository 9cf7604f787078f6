"""IoU per class, and confusion matrices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import altair as alt
import pyarrow as pa
from pyarrow import parquet

from pointrend.datasets.registry import classes_of
from pointrend.errors import CheckFailed
from pointrend.results import tables
from pointrend.results.chain import MATRIX
from pointrend.results.page import charts
from pointrend.results.page.carried import Carried, Scores, carried_name, class_scores, rows_with_matrix
from pointrend.results.page.charts import Chart
from pointrend.results.published import Published
from pointrend.results.tables import Row, Table, percent, row_name, signed

Pixels = tuple[str, str, int]  # true class, predicted class, number of pixels
LEAST_SHARE = 0.1  # percent of a class's pixels; smaller cells of the matrix are not drawn
MOST_MISTAKEN = 10  # pairs in the table beside the matrix
MATRIX_CAPTION = "Rows: true class; columns: predicted class. The stronger the colour, the larger the share of the row."


@dataclass(frozen=True)
class ClassTable:
    """IoU per class of one run, in the dataset's order; a row: the class, its IoU in percent, and the other cells."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, float, Sequence[str]]]
    absent: Sequence[str]  # classes that occur in no label and no prediction


def class_tables(results: Mapping[str, Any], published: Published, carried: Carried) -> list[ClassTable]:
    """One table per run with a score: the mean over its seeds, or the released weights where nothing is trained.

    The other columns: the difference from the original's trainings (scale demo) or the released weights, what refining
    gained, and the share of the labelled pixels, as far as they are known.

    Raises:
        CheckFailed: a metrics.json has no scores by class, or a matrix.parquet is no matrix.
    """
    scores, coarse = (list(class_scores(results, carried, key)) for key in ("iou", "coarse_iou"))
    shares = _pixel_shares(results, carried)
    made = []
    for run, rows in tables.rows_by_run(results).items():
        ours, released = (_mean(scores, run, kind) for kind in ("trained", "released"))
        original = _mean([(row, training.iou) for row in rows[:1] for training in published.trainings(row)], run)
        if not (shown := ours or released):
            continue
        whose = tables.seeds_text(rows) if ours else "released weights"
        cells = {
            f"Minus {'original' if original else 'released'}": _minus(ours, original or released) if ours else {},
            "Gain": _minus(shown, _mean(coarse, run, "trained" if ours else "released")),
            "Pixels": shares.get(rows[0]["setting"]["dataset"], {}),
        }
        made.append(_class_table(f"{tables.run_title(rows[0])} ({whose})", shown, cells))
    return made


def matrices(results: Mapping[str, Any], carried: Carried) -> list[Chart]:
    """The confusion matrix of the first scored training of every run.

    Raises:
        CheckFailed: a matrix.parquet is no matrix.
    """
    return [_matrix_chart(row, pairs) for row, pairs in _carried_matrices(results, carried)]


def _carried_matrices(results: Mapping[str, Any], carried: Carried) -> list[tuple[Row, list[Pixels]]]:
    rows = rows_with_matrix(results)
    return [(row, read_matrix(row, carried)) for row in rows if carried_name(row, MATRIX) in carried]


def read_matrix(row: Row, carried: Carried) -> list[Pixels]:
    """The pairs of classes in a matrix.parquet that occur.

    Raises:
        CheckFailed: it is not such a file.
    """
    name, classes = carried_name(row, MATRIX), classes_of(row["setting"]["dataset"]).names
    try:
        columns = parquet.read_table(pa.BufferReader(carried[name])).to_pydict()
        found = zip(*(columns[key] for key in ("truth", "predicted", "pixels")), strict=True)
        return [(classes[truth], classes[predicted], int(pixels)) for truth, predicted, pixels in found]
    except (pa.ArrowException, KeyError, IndexError, TypeError, ValueError) as problem:
        raise CheckFailed(f"{name} is not a confusion matrix: {problem}", "evaluate that run again") from problem


def _mean(scores: Iterable[tuple[Row, Scores]], run: str, kind: str = "trained") -> Scores:
    """The mean per class over the rows of a kind; None where a class has no IoU in any of them."""
    ious: dict[str, list[float]] = {}
    for row, of in scores:
        for name, iou in of.items() if (row["run"], row["kind"]) == (run, kind) else ():
            ious.setdefault(name, []).extend([] if iou is None else [iou])
    return {name: fmean(values) if values else None for name, values in ious.items()}


def _minus(ours: Scores, theirs: Scores) -> dict[str, str]:
    both = {name: (iou, theirs.get(name)) for name, iou in ours.items()}
    return {name: signed(a - b) for name, (a, b) in both.items() if a is not None and b is not None}


def _class_table(caption: str, ious: Scores, cells: Mapping[str, Mapping[str, str]]) -> ClassTable:
    known = {title: of for title, of in cells.items() if of}
    rows = [
        (name, iou, [of.get(name, tables.NOTHING) for of in known.values()])
        for name, iou in ious.items()
        if iou is not None
    ]
    absent = [name for name, iou in ious.items() if iou is None]
    words = f": {len(rows)} classes" + (f", {len(absent)} absent" if absent else "")
    return ClassTable(caption + words, ("IoU", *known), rows, absent)


def _pixel_shares(results: Mapping[str, Any], carried: Carried) -> dict[str, dict[str, str]]:
    """By dataset, the share of every class in the labelled pixels of the split."""
    shares = {}
    for row, pairs in _carried_matrices(results, carried):
        pixels = _by_truth(pairs)
        total = sum(pixels.values())
        shares[row["setting"]["dataset"]] = {name: percent(100 * count / total) for name, count in pixels.items()}
    return shares


def _by_truth(pairs: Sequence[Pixels]) -> Counter[str]:
    pixels: Counter[str] = Counter()
    for truth, _, count in pairs:
        pixels[truth] += count
    return pixels


def _matrix_chart(row: Row, pairs: Sequence[Pixels]) -> Chart:
    of_truth = _by_truth(pairs)
    shares = [(truth, predicted, 100 * pixels / of_truth[truth]) for truth, predicted, pixels in pairs]
    cells = [
        {"truth": truth, "predicted": predicted, "percent": share, "share": percent(share)}
        for truth, predicted, share in shares
        if share >= LEAST_SHARE
    ]
    occurring = {name for truth, predicted, _ in pairs for name in (truth, predicted)}
    names = [name for name in classes_of(row["setting"]["dataset"]).names if name in occurring]
    axis = alt.Axis(labelOverlap="greedy", labelLimit=110, grid=False, ticks=False)
    scale = alt.Scale(domain=names)
    chart = (
        alt.Chart(charts.values(cells))
        .mark_rect(color="var(--ours)", stroke="var(--line)", strokeWidth=0.3, aria=False)
        .encode(
            x=alt.X("predicted:N", scale=scale, axis=axis),
            y=alt.Y("truth:N", scale=scale, axis=axis, title=None),
            opacity=alt.Opacity("percent:Q", scale=alt.Scale(type="sqrt", domain=[0, 100], range=[0, 1]), legend=None),
            tooltip=["truth:N", "predicted:N", "share:N"],
        )
        .properties(height=max(8, min(20, 900 // len(names))) * len(names))
    )
    most = sorted((pair for pair in pairs if pair[0] != pair[1]), key=lambda pair: -pair[2])[:MOST_MISTAKEN]
    mistaken = tuple((truth, said, percent(100 * pixels / of_truth[truth])) for truth, said, pixels in most)
    numbers = Table(
        f"Most frequent confusions, {row_name(row)}", ("True class", "Predicted", "Share of its pixels"), mistaken
    )
    told = f"Confusion matrix of {row_name(row)}: {len(names)} classes; the table below has the largest mistakes."
    return Chart(row_name(row), charts.spec(chart, told), MATRIX_CAPTION, numbers)
