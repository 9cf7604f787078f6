"""Ours against the published values, one row per figure.

What is comparable is drawn as a difference in points, with the published value at zero: over the whole range of mIoU
the differences that matter could not be seen. What is not comparable has a plot of its own without the published
values, since the distance to them would mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from pointrend.results.chance import MARGIN
from pointrend.results.page import plot
from pointrend.results.page.plot import Scale
from pointrend.results.tables import Row, of_theirs, percent, row_name, signed

# pixels: the plot, its scale's two ends, the space above, a row, and the space for the axis
WIDTH, LEFT, RIGHT, TOP, ROW, BOTTOM = 760, 212, 590, 26, 36, 44
FIRST, SECOND = 670, WIDTH - 6  # right ends of two columns of figures beside the plot, in pixels
LEAST_REACH = 2.0  # points on either side of zero that are always shown

DIFFERENCE_CAPTION = (
    "Ours minus published, in percentage points. The diamond at zero is the published value. The thin line is the"
    " interval of the difference over seeds, on which the verdict rests; the pale bar shows how far our mIoU would move"
    " with other validation images. The shaded band is one point to either side."
)
OWN_CAPTION = (
    "These figures cannot be compared with the published ones, which are left out for that reason: the distance between"
    " the two would mean nothing. The pale bar shows how far the mIoU would move with other validation images."
)


@dataclass(frozen=True)
class Figure:
    """A plot with its legend (drawing, words)."""

    heading: str
    drawing: Markup
    marks: list[tuple[Markup, str]]
    caption: str

    def worded(self, scale: str) -> Figure:
        """The same with the name of what ours is compared with at this scale."""
        # Runs for which nothing is published are not comparable, so no run's name can be changed.
        words = "published", of_theirs(scale, "published")
        marks = [(drawing, meaning.replace(*words)) for drawing, meaning in self.marks]
        return Figure(self.heading.replace(*words), self.drawing.replace(*words), marks, self.caption.replace(*words))


def score_plots(results: Mapping[str, Any]) -> list[Figure]:
    """One figure of what is comparable and one of what is not; no figure where there is nothing to draw in it."""
    comparable = [row for row in results["runs"] if row["comparable"]]
    others = [row for row in results["runs"] if not row["comparable"] and row["miou"] is not None]
    figures = [_differences(comparable).worded(results["scale"])] if comparable else []
    return [*figures, _own_scores(others)] if others else figures


def _differences(rows: Sequence[Row]) -> Figure:
    reach = max([LEAST_REACH, *(abs(value) for row in rows for value in _drawn_differences(row))])
    scale = plot.enclosing([-reach, reach], LEFT, RIGHT, 8)
    base = TOP + ROW * len(rows)
    band = plot.bar(scale(-MARGIN), TOP, scale(MARGIN) - scale(-MARGIN), base - TOP, "margin")
    zero = plot.line(scale(0), TOP, scale(0), base, "zero")
    drawn = [_difference_row(row, scale, _middle(index)) for index, row in enumerate(rows)]
    drawn += [_figure_text(FIRST, 12, "published", "tick"), _figure_text(SECOND, 12, "difference", "tick")]
    told = "; ".join(f"{row_name(row)}: {_told_difference(row)}" for row in rows)
    axis = _axis(scale, base, "difference in percentage points (ours minus published)", signed=True)
    title, parts = "Difference from the published mIoU", (band, axis, zero, *drawn)
    drawing = plot.svg((WIDTH, base + BOTTOM), "differences", title, told, *parts)
    marks = [
        (plot.diamond(13, 7, 6, "theirs"), "published value"),
        (plot.circle(13, 7, 5, "ours"), "ours"),
        (_whisker(2, 24, 7), "interval over seeds"),
        (plot.bar(1, 3, 24, 8, "images"), "interval over images"),
    ]
    return Figure("Ours against the published values", drawing, marks, DIFFERENCE_CAPTION)


def _own_scores(rows: Sequence[Row]) -> Figure:
    values = [value for row in rows for value in (row["miou"], *(row["image_interval"] or ()))]
    scale = plot.enclosing(values, LEFT, RIGHT, 6)
    base = TOP + ROW * len(rows)
    drawn = [_own_row(row, scale, _middle(index)) for index, row in enumerate(rows)]
    told = "; ".join(f"{row_name(row)}: {percent(row['miou'])}" for row in rows)
    axis, title = _axis(scale, base, "mIoU in percent"), "Our mIoU, not comparable with the published one"
    drawing = plot.svg((WIDTH, base + BOTTOM), "own-scores", title, told, axis, *drawn)
    marks = [
        (plot.circle(13, 7, 5, "ours hollow"), "ours, not comparable"),
        (plot.bar(1, 3, 24, 8, "images"), "interval over images"),
    ]
    return Figure("Not comparable: ours alone", drawing, marks, OWN_CAPTION)


def _own_row(row: Row, scale: Scale, y: float) -> Markup:
    mark = plot.circle(scale(row["miou"]), y, 6, "ours hollow")
    bar, words = _image_bar(scale, row["image_interval"], y), _figure_text(FIRST, y + 5, percent(row["miou"]))
    return _row_name(row, y) + bar + mark + words


def _difference_row(row: Row, scale: Scale, y: float) -> Markup:
    parts = [_row_name(row, y)]
    if row["difference"] is not None:
        if row["image_interval"]:
            parts.append(_image_bar(scale, [value - row["published_miou"] for value in row["image_interval"]], y))
        if row["interval"]:
            parts.append(_whisker(scale(row["interval"][0]), scale(row["interval"][1]), y))
    parts.append(plot.diamond(scale(0), y, 6.5, "theirs"))
    parts.append(_figure_text(FIRST, y + 5, percent(row["published_miou"])))
    if row["difference"] is None:
        return plot.together([*parts, _figure_text(SECOND, y + 5, row["verdict"], "quiet")])
    parts.append(plot.circle(scale(row["difference"]), y, 5.5, "ours"))
    return plot.together([*parts, _figure_text(SECOND, y + 5, signed(row["difference"]))])


def _drawn_differences(row: Row) -> Iterator[float]:
    if row["difference"] is not None:
        yield row["difference"]
        yield from row["interval"] or ()
        yield from (value - row["published_miou"] for value in row["image_interval"] or ())


def _told_difference(row: Row) -> str:
    theirs = f"published {percent(row['published_miou'])}"
    if row["difference"] is None:
        return f"{theirs}, {row['verdict']}"
    return f"{theirs}, ours {percent(row['miou'])}, difference {signed(row['difference'])}, {row['verdict']}"


def _image_bar(scale: Scale, interval: Sequence[float] | None, y: float) -> Markup:
    if not interval:
        return Markup()
    low, high = map(scale, interval)
    return plot.bar(low, y - 5, max(high - low, 1), 10, "images")


def _whisker(low: float, high: float, y: float) -> Markup:
    ends = plot.together(plot.line(x, y - 5, x, y + 5, "seeds") for x in (low, high))
    return plot.line(low, y, high, y, "seeds") + ends


def _row_name(row: Row, y: float) -> Markup:
    return plot.label(LEFT - 16, y + 5, row_name(row), anchor="end")


def _figure_text(x: float, y: float, words: str, style: str = "") -> Markup:
    return plot.label(x, y, words, style, "end")


def _middle(index: int) -> float:
    return TOP + ROW * index + ROW / 2


def _axis(scale: Scale, base: float, words: str, signed: bool = False) -> Markup:
    parts = [plot.line(LEFT, base, RIGHT, base, "axis")]
    for value in scale.ticks(8):
        parts.append(plot.line(scale(value), TOP, scale(value), base, "grid"))
        sign = "+" if signed and value > 0 else ""
        parts.append(plot.label(scale(value), base + 17, sign + plot.tick_text(value), "tick", "middle"))
    parts.append(plot.label((LEFT + RIGHT) / 2, base + 37, words, "tick", "middle"))
    return plot.together(parts)
