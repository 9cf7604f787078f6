"""The plots of the page: Vega-Lite specifications, which the library that the page carries draws.

Colours are variables of the page's style, so that a plot follows light and dark. Signed numbers of
tooltips are written here: Vega writes −0.00.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import altair as alt
import vl_convert

from pointrend.results.chance import MARGIN
from pointrend.results.tables import Row, Table, difference, of_theirs, percent, row_name

COLOURS = 6  # of lines, in style.css
ROW = 30  # height of a line of the plot of scores, in pixels

DIFFERENCE_CAPTION = (
    "Ours minus published, in percentage points. The line at zero is the published value. The thin line is the"
    " interval of the difference over seeds, on which the verdict rests; the pale bar shows how far our mIoU would move"
    " with other validation images. The shaded band is one point to either side."
)
OWN_CAPTION = (
    "These figures are not comparable with the published ones, which are therefore left out."
    " The pale bar shows how far the mIoU would move with other validation images."
)
# kinds of points and their shapes
SHAPES = {"ours": "circle", "each seed": "cross", "released": "diamond"}


@dataclass(frozen=True)
class Chart:
    """A plot; ``numbers``: what it shows, for readers without scripts or without sight."""

    heading: str
    spec: Mapping[str, Any]
    caption: str = ""
    numbers: Table | None = None
    controls: Mapping[str, Any] | None = None


@cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, which leaves only ``vegaEmbed`` in the page."""
    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return f"(() => {{{script}}})();"


def values(rows: Sequence[Mapping[str, Any]]) -> alt.InlineData:
    """Data of a plot."""
    return alt.InlineData(list(rows))


def spec(chart: alt.LayerChart | alt.FacetChart, told: str) -> dict[str, Any]:
    """A plot as wide as its place in the page; ``told``: what it shows, in words."""
    fitted = alt.AutoSizeParams(type="fit-x", contains="padding")
    made: dict[str, Any] = chart.properties(width="container", autosize=fitted, description=told).to_dict()
    return made


def score_charts(results: Mapping[str, Any]) -> list[Chart]:
    """What is comparable, as a difference from the published number, and what is not; what is scored has a plot."""
    scored = [row for row in results["runs"] if row["miou"] is not None]
    ours, theirs = ([row for row in scored if row["comparable"] is kind] for kind in (True, False))
    heading, caption = (
        of_theirs(results["scale"], words) for words in ("Ours against the published values", DIFFERENCE_CAPTION)
    )
    axis, whose = "difference in percentage points", of_theirs(results["scale"], "published").capitalize()
    charts = [Chart(heading, _scores(ours, "difference", axis, whose), caption)] if ours else []
    if theirs:
        charts.append(
            Chart("Not comparable: ours alone", _scores(theirs, "miou", "mIoU in percent", None), OWN_CAPTION)
        )
    return charts


def _scores(rows: Sequence[Row], key: str, axis: str, compared: str | None) -> dict[str, Any]:
    """``key``: what of a row is drawn; ``compared``: the title of the figure that it is compared with."""
    data = [_point(row, key, rows) for row in rows]
    runs, x = alt.Y("run:N", title=None, sort=None), alt.X("value:Q", title=axis, axis=alt.Axis(tickCount=6))
    kinds = [kind for kind in SHAPES if any(point["kind"] == kind for point in data)]
    colours = ["var(--points)" if kind == "released" else "var(--ours)" for kind in kinds]
    margin = alt.Chart(values([{"low": -MARGIN, "high": MARGIN, "value": 0}]))
    points = alt.Chart(values(data)).mark_point(filled=True, opacity=1, size=90)
    layers = [
        margin.mark_rect(color="var(--band)", aria=False).encode(x="low:Q", x2="high:Q"),
        margin.mark_rule(color="var(--ink)", strokeDash=[3, 3], aria=False).encode(x=x),
    ]
    layers = layers if compared else []
    if known := [point for point in data if "from" in point]:
        bars = alt.Chart(values(known)).mark_bar(height=10, color="var(--images)", aria=False)
        layers.append(bars.encode(x=alt.X("from:Q", scale=alt.Scale(zero=False)), x2="to:Q", y=runs))
    if known := [point for point in data if "low" in point]:
        rules = alt.Chart(values(known)).mark_rule(color="var(--ours)", strokeWidth=2, aria=False)
        layers.append(rules.encode(x="low:Q", x2="high:Q", y=runs))
    layers.append(
        points.encode(
            x=x.scale(zero=False),
            y=runs,
            shape=alt.Shape("kind:N", title=None).scale(domain=kinds, range=[SHAPES[kind] for kind in kinds]),
            color=alt.Color("kind:N").scale(domain=kinds, range=colours),
            tooltip=[
                "Figure:N",
                "mIoU:N",
                *([alt.Tooltip("theirs:N", title=compared), "Difference:N"] if compared else []),
                "Verdict:N",
            ],
        )
    )
    told = "; ".join(f"{row_name(row)}: {percent(row['miou'])}" for row in rows)
    height = ROW * len({row["run"] for row in rows})
    return spec(alt.layer(*layers).properties(height=height), f"{axis}. {told}")


def _point(row: Row, key: str, rows: Sequence[Row]) -> dict[str, Any]:
    several = any(other["kind"] == "seeds" and other["run"] == row["run"] for other in rows)
    kind = {"released": "released", "trained": "each seed" if several else "ours"}.get(row["kind"], "ours")
    shift, seeds = (row["published_miou"], row["interval"]) if key == "difference" else (0, None)
    ends = [end - shift for end in row["image_interval"] or ()]
    return {
        "run": row["run"],
        "kind": kind,
        "value": row[key],
        **(dict(zip(("from", "to"), ends, strict=True)) if ends and kind == "ours" else {}),
        **(dict(zip(("low", "high"), seeds, strict=True)) if seeds and kind == "ours" else {}),
        "Figure": row_name(row),
        "mIoU": percent(row["miou"]),
        "theirs": percent(row["published_miou"]),
        "Difference": difference(row),
        "Verdict": row["verdict"],
    }
