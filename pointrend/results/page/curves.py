"""Losses and learning rate over the training, all runs in one plot."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import altair as alt

from pointrend.errors import CheckFailed
from pointrend.results.audit.curves import LEAST_RECORDS, LOSSES, Curve, band
from pointrend.results.chain import CURVE_TABLE
from pointrend.results.chance import RATE, Error
from pointrend.results.page import charts
from pointrend.results.page.carried import Carried, carried_name, published_curve
from pointrend.results.page.charts import Chart
from pointrend.results.published import OriginalTraining, Published
from pointrend.results.run_files import VALIDATION
from pointrend.results.tables import NOTHING, Row, Table, row_name

MOST_POINTS = 120  # of a drawn line; longer ones are averaged
SHOWN = {"loss": "total loss", "loss_point": "point loss", "loss_coarse": "coarse loss", "lr": "learning rate"}
SHOWN |= {VALIDATION: "mIoU on a part of val"}
NUMBERS = ("Training", "Records", "First loss", "Last loss", "points", "coarse", "Records in the band")
WORDS = "The dashed line is the total loss of {}, the pale band the range expected {}."
PUBLISHED_WORDS = "the published log", "around it"
ORIGINAL_WORDS = "the original's trainings (mean)", "of one more of them (95 %)"


@dataclass(frozen=True)
class Reference:
    """The loss of a run in its published training log, or of the original's trainings, to be drawn under ours.

    ``points``: (iteration, loss); ``band``: (iteration, low, high) between which a loss would be expected.
    """

    points: tuple[tuple[int, float], ...] = ()
    band: tuple[tuple[int, float, float], ...] = ()


Columns = Mapping[str, Sequence[float]]  # those of a curve.csv, of one length: iteration, lr and LOSSES


def curves(results: Mapping[str, Any], published: Published, carried: Carried) -> Chart | None:
    """All runs that have a curve, with the losses of the published logs that were audited.

    At scale demo, the losses of the original's trainings are beside those of the runs that are comparable with them.

    Raises:
        CheckFailed: a curve.csv is not a table of numbers, or a curve.json not a curve.
    """
    trained = [row for row in results["runs"] if row["kind"] == "trained"]
    logs = {row["run"]: name for row in trained if (name := published_curve(row)) in carried}
    points: list[dict[str, Any]] = []
    references: dict[str, Reference] = {}
    numbers = []
    for row in trained:
        name, theirs = carried_name(row, CURVE_TABLE), logs.get(row["run"])
        if name in carried and (curve := read_curve(name, carried[name]))["iteration"]:
            found = reference(theirs, carried[theirs]) if theirs else original_reference(published.trainings(row))
            references[row["run"]] = found
            points += _points(row, curve)
            numbers.append(_numbers(row, curve, found))
    if not numbers:
        return None
    runs = list(dict.fromkeys(point["run"] for point in points))
    words = WORDS.format(*(PUBLISHED_WORDS if logs else ORIGINAL_WORDS))
    caption = words if any(of.points for of in references.values()) else ""
    shown = {key: word for key, word in SHOWN.items() if any(point.get(key) is not None for point in points)}
    controls = {"shown": shown, "runs": runs}
    table = Table("Losses of every training", NUMBERS, tuple(numbers))
    return Chart("Losses and learning rate", _spec(points, references, runs), caption, table, controls)


def read_curve(name: str, content: bytes) -> Columns:
    """The columns of a curve.csv; ``name`` is what errors call it."""
    try:
        rows = list(csv.DictReader(content.decode().splitlines()))
        found = {key: [float(row[key]) for row in rows] for key in ("iteration", "lr", *LOSSES)}
        if not all(math.isfinite(value) for column in found.values() for value in column):
            raise ValueError("a value is not finite")
        return found
    except (KeyError, TypeError, ValueError) as problem:
        raise CheckFailed(f"{name} is not a table of numbers: {problem}", "train that run again") from problem


def reference(name: str, content: bytes) -> Reference:
    """The total loss in a curve.json and its band, which a curve of few records has not; ``name`` is for errors."""
    try:
        curve = Curve(**json.loads(content))
        points = tuple(zip(curve.iterations, curve.losses["loss"], strict=True))
    except (KeyError, TypeError, ValueError) as problem:
        raise CheckFailed(f"{name} is not a curve: {problem}", "run `pointrend audit RUN --record` again") from problem
    if len(points) < LEAST_RECORDS:
        return Reference(points)
    low, high = (ends.tolist() for ends in band(curve.losses["loss"]))
    return Reference(points, tuple(zip(curve.iterations, low, high, strict=True)))


def original_reference(trainings: Sequence[OriginalTraining]) -> Reference:
    """The mean total loss of the original's trainings, and the band that a further one is in at 95 %."""
    points, band = [], []
    for records in zip(*(training.losses for training in trainings), strict=True):
        at, losses = records[0][0], [loss for _, loss, *_ in records]
        mean, n = fmean(losses), len(losses)
        reach = float(Error(stdev(losses) * math.sqrt(1 + 1 / n), n - 1).reach(RATE / 2))
        points.append((at, mean))
        band.append((at, mean - reach, mean + reach))
    return Reference(tuple(points), tuple(band))


def thinned(values: Sequence[float], most: int = MOST_POINTS) -> list[float]:
    """At most ``most`` values: means of equally many neighbours, of fewer at the end."""
    many = _many(values, most)
    groups = (values[start : start + many] for start in range(0, len(values), many))
    return [sum(group) / len(group) for group in groups]


def _many(values: Sequence[Any], most: int = MOST_POINTS) -> int:
    return -(-len(values) // most) or 1


def _points(row: Row, curve: Columns) -> list[dict[str, Any]]:
    columns = {key: thinned(values) for key, values in curve.items()}
    named = {"run": row["run"], "seed": row["seed"], "name": row_name(row)}
    looks = [{**named, "iteration": at, VALIDATION: miou} for at, miou in row["validation"]]
    return looks + [
        {**named, **{key: float(f"{value:.4g}") for key, value in zip(columns, record, strict=True)}}
        for record in zip(*columns.values(), strict=True)
    ]


def _reference_rows(run: str, of: Reference) -> list[dict[str, Any]]:
    """A point of the reference per row; a tenth of the loss is the least that the band shows, for the log scale."""
    ends = {at: (low, high) for at, low, high in of.band}
    rows: list[dict[str, Any]] = [
        {"run": run, "iteration": at, "loss": loss} for at, loss in of.points[:: _many(of.points)]
    ]
    for row in rows if ends else ():
        low, high = ends[row["iteration"]]
        row |= {"low": max(low, row["loss"] / 10), "high": high}
    return rows


def _spec(points: Sequence[Mapping[str, Any]], references: Mapping[str, Reference], runs: Sequence[str]) -> Any:
    """The script sets the two parameters, the frame of the mean and the type of the linear scale."""
    colours = [f"var(--line-{index % charts.COLOURS + 1})" for index in range(len(runs))]
    colour = alt.Color("run:N", scale=alt.Scale(domain=runs, range=colours), legend=None)
    shown = alt.param(name="runs", value=list(runs)), alt.param(name="quantity", value=LOSSES[0])
    x = alt.X("iteration:Q", scale=alt.Scale(nice=False), axis=alt.Axis(format="~s", tickCount=6))
    y = alt.Y("mean:Q", title=None, scale=alt.Scale(type="linear"))
    ours = (
        alt.Chart(charts.values(points))
        .transform_filter("indexof(runs, datum.run) >= 0")
        .transform_calculate(value="datum[quantity]")
        .transform_filter("isNumber(datum.value)")
        .transform_window(mean="mean(value)", groupby=["name"], sort=[{"field": "iteration"}], frame=[0, 0])
        .encode(x=x, y=y, color=colour, detail="name:N")
    )
    hover = ["name:N", "iteration:Q", alt.Tooltip("mean:Q", title="value", format=".4~g")]
    layers = [
        ours.mark_line(strokeWidth=1.8, aria=False),
        ours.mark_point(filled=True, size=110, opacity=0, aria=False).encode(tooltip=hover),
    ]
    rows = [row for run, of in references.items() for row in _reference_rows(run, of)]
    if rows:
        theirs = (
            alt.Chart(charts.values(rows))
            .transform_filter("quantity == 'loss' && indexof(runs, datum.run) >= 0")
            .encode(x=x, color=colour)
        )
        band = theirs.mark_area(opacity=0.18, aria=False).encode(y=alt.Y("low:Q", title=None), y2="high:Q")
        layers = [band, theirs.mark_line(strokeDash=[5, 3], strokeWidth=1.2, aria=False).encode(y="loss:Q"), *layers]
    told = f"Losses and learning rates of {', '.join(runs)} over the iterations; the table below has their figures."
    return charts.spec(alt.layer(*layers).add_params(*shown).properties(height=300), told)


def _numbers(row: Row, curve: Columns, theirs: Reference) -> tuple[str, ...]:
    """The row of a training in the table of :data:`NUMBERS`."""
    iterations, losses = curve["iteration"], dict(zip(curve["iteration"], curve["loss"], strict=True))
    inside = [low <= losses[at] <= high for at, low, high in theirs.band if at in losses]
    return (
        row_name(row),
        str(len(iterations)),
        *(f"{curve['loss'][i]:.3f} at {iterations[i]:.0f}" for i in (0, -1)),
        *(f"{curve[key][-1]:.3f}" for key in LOSSES[1:]),
        f"{sum(inside)} of {len(inside)}" if inside else NOTHING,
    )
