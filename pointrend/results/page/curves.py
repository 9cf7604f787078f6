"""Loss and learning rate over the training, one figure per run."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from markupsafe import Markup

from pointrend.errors import CheckFailed
from pointrend.results.audit.curves import LEAST_RECORDS, LOSSES, Curve, band
from pointrend.results.chain import CURVE_TABLE, folder_name
from pointrend.results.chance import RATE, Error
from pointrend.results.page import plot
from pointrend.results.page.carried import Carried, carried_name, published_curve
from pointrend.results.page.plot import Scale
from pointrend.results.published import OriginalTraining, Published
from pointrend.results.tables import Row, row_name

WIDTH, LEFT, RIGHT = 340, 40, 330
LOSS_TOP, LOSS_BASE, RATE_TOP, RATE_BASE, HEIGHT = 18, 176, 208, 256, 292  # pixels: two plots, one above the other
MOST_POINTS = 200  # of a drawn line; longer ones are averaged
ORIGINAL_WORDS = ("mean of the original's trainings", "expected of a further training of it, 95 %")
WORDS = ("total", "points", "coarse")  # the names of LOSSES for readers


@dataclass(frozen=True)
class Reference:
    """The loss of a run in its published training log, or of the original's trainings, to be drawn under ours.

    ``points``: (iteration, loss); ``band``: (iteration, low, high) between which a loss would be expected.
    """

    points: tuple[tuple[int, float], ...] = ()
    band: tuple[tuple[int, float, float], ...] = ()


Columns = Mapping[str, Sequence[float]]  # those of a curve.csv, of one length: iteration, lr and LOSSES


@dataclass(frozen=True)
class Curves:
    """A legend (drawing, words), and the name and drawing of each run's figure."""

    marks: Sequence[tuple[Markup, str]]
    figures: Sequence[tuple[str, Markup]]


def curves(results: Mapping[str, Any], published: Published, carried: Carried) -> Curves | None:
    """The figures of all runs that have a curve, with the losses of the published logs that were audited.

    At scale demo, the losses of the original's trainings are under those of the runs that are comparable with them.

    Raises:
        CheckFailed: a curve.csv is not a table of numbers, or a curve.json not a curve.
    """
    trained = [row for row in results["runs"] if row["kind"] == "trained"]
    logs = {row["run"]: name for row in trained if (name := published_curve(row)) in carried}
    figures = []
    for row in trained:
        name, theirs = carried_name(row, CURVE_TABLE), logs.get(row["run"])
        if name in carried and (curve := read_curve(name, carried[name]))["iteration"]:
            found = reference(theirs, carried[theirs]) if theirs else original_reference(published.trainings(row))
            figures.append((row_name(row), _drawing(row, curve, found)))
    if not figures:
        return None
    marks = [(plot.line(1, 7, 25, 7, f"curve {column}"), words) for column, words in zip(LOSSES, WORDS, strict=True)]
    if logs or any(map(published.trainings, trained)):
        words = ("published log", "expected around the published log") if logs else ORIGINAL_WORDS
        drawn = plot.path([(1, 10), (13, 4), (25, 7)], "curve reference"), plot.bar(1, 2, 24, 10, "reference-band")
        marks += zip(drawn, words, strict=True)
    return Curves(marks, figures)


def read_curve(name: str, content: bytes) -> Columns:
    """The columns of a curve.csv; ``name`` is what errors call it."""
    try:
        rows = list(csv.DictReader(content.decode().splitlines()))
        return {key: [float(row[key]) for row in rows] for key in ("iteration", "lr", *LOSSES)}
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
    many = -(-len(values) // most) or 1
    groups = (values[start : start + many] for start in range(0, len(values), many))
    return [sum(group) / len(group) for group in groups]


def _drawing(row: Row, curve: Columns, theirs: Reference) -> Markup:
    x = Scale(0, max([*curve["iteration"], *(point[0] for point in theirs.points)]), LEFT, RIGHT)
    title = f"Loss and learning rate of {row_name(row)}"
    drawn = _loss(curve, theirs, x), _rate(curve, x)
    return plot.svg((WIDTH, HEIGHT), f"curve-{folder_name(row)}", title, _told(curve, theirs), *drawn)


def _loss(curve: Columns, reference: Reference, x: Scale) -> Markup:
    highest = [value for name in LOSSES for value in thinned(curve[name])]
    highest += [loss for _, loss in reference.points] + [high for *_, high in reference.band]
    y = plot.enclosing([0, *highest], LOSS_BASE, LOSS_TOP, 4)
    parts = [_axes(x, y, "loss")]
    if reference.band:
        upper = [(x(at), y(high)) for at, _, high in reference.band]
        lower = [(x(at), y(low)) for at, low, _ in reference.band]
        parts.append(plot.area([*upper, *reversed(lower)], "reference-band"))
    if reference.points:
        parts.append(plot.path([(x(at), y(loss)) for at, loss in reference.points], "curve reference"))
    parts += [_line(curve["iteration"], curve[name], x, y, name) for name in reversed(LOSSES)]
    return plot.together(parts)


def _rate(curve: Columns, x: Scale) -> Markup:
    y = plot.enclosing([0, *curve["lr"]], RATE_BASE, RATE_TOP, 2)
    parts = [_axes(x, y, "learning rate"), _line(curve["iteration"], curve["lr"], x, y, "rate")]
    parts += [plot.label(x(at), RATE_BASE + 15, plot.tick_text(at), "tick", "middle") for at in x.ticks(4)]
    parts.append(plot.label((LEFT + RIGHT) / 2, HEIGHT - 4, "iteration", "tick", "middle"))
    return plot.together(parts)


def _line(iterations: Sequence[float], values: Sequence[float], x: Scale, y: Scale, style: str) -> Markup:
    points = zip(map(x, thinned(iterations)), map(y, thinned(values)), strict=True)
    return plot.path(list(points), f"curve {style}")


def _axes(x: Scale, y: Scale, words: str) -> Markup:
    parts = [plot.label(LEFT, y.end - 7, words, "tick")]
    for value in y.ticks(4):
        parts.append(plot.line(LEFT, y(value), RIGHT, y(value), "axis" if value == 0 else "grid"))
        parts.append(plot.label(LEFT - 6, y(value) + 4, plot.tick_text(value), "tick", "end"))
    return plot.together(parts)


def _told(curve: Columns, theirs: Reference) -> str:
    total, iterations = curve["loss"], curve["iteration"]
    first, last = (f"{total[i]:.3g} at iteration {iterations[i]:.0f}" for i in (0, -1))
    count = len(iterations)
    averaged = f"; each drawn point is the mean of {-(-count // MOST_POINTS)} records" if count > MOST_POINTS else ""
    losses = dict(zip(iterations, total, strict=True))
    inside = [low <= losses[at] <= high for at, low, high in theirs.band if at in losses]
    in_band = f" {sum(inside)} of {len(inside)} are in the band." if inside else ""
    return f"The total loss goes from {first} to {last}. {count} records{averaged}.{in_band}"
