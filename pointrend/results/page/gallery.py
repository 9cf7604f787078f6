"""The pictures that the page carries, run by run: the best, the median, the worst, and the first of the split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pointrend.results.chain import folder_name
from pointrend.results.page.carried import (
    RANKS,
    Carried,
    Picture,
    carried_name,
    data_uri,
    pictures_of,
    shown_pictures,
)
from pointrend.results.page.markup import element, lines, text
from pointrend.results.tables import Row, percent, row_name

PANELS = "photo, label, coarse prediction, refined prediction, points of the last refining step, what is still wrong"
EXPLAINED = (
    "The validation pictures with the highest, the median and the lowest mIoU of their own, and the first ones of the"
    " split, which nobody chose. Each shows the photo, the label, the coarse prediction, the refined one, where the"
    " last step refined, and where the refined prediction is wrong. The mIoU of a single picture counts only the"
    " classes that occur in it; the mIoU of a run is not the mean of these."
)


def gallery(results: Mapping[str, Any], carried: Carried) -> str:
    """The pictures of all runs that have some."""
    shown = shown_pictures(results)
    runs = [_run(row, shown[folder_name(row)], carried) for row in results["runs"] if row["pictures"]]
    if not runs:
        return ""
    taken = sum(map(len, shown.values()))
    drawn = sum(len(pictures_of(row)) for row in results["runs"] if row["pictures"])
    size = sum(picture.bytes for pictures in shown.values() for picture in pictures)
    told = f"This page carries {taken} of the {drawn} pictures that were drawn, {size / 1e6:.1f} MB."
    return lines([element("p", {}, text(EXPLAINED)), element("p", {"class": "small"}, text(told)), *runs])


def _run(row: Row, pictures: Sequence[Picture], carried: Carried) -> str:
    ranked = [_figure(row, picture, carried) for picture in pictures if picture.rank < len(RANKS)]
    first = [_figure(row, picture, carried) for picture in pictures if picture.rank == len(RANKS)]
    parts = [element("h3", {}, text(row_name(row))), element("div", {"class": "pictures"}, *ranked)]
    if first:
        summary = element("summary", {}, text(f"{len(first)} more of {row_name(row)}: the first of the split"))
        parts.append(element("details", {}, summary, element("div", {"class": "pictures"}, *first)))
    return element("div", {"class": "gallery"}, *parts)


def _figure(row: Row, picture: Picture, carried: Carried) -> str:
    file = carried_name(row, f"pictures/{picture.file}")
    words = ", ".join(word for word in picture.shown_as if word in RANKS) or f"no. {picture.index + 1}"
    score = f"mIoU {percent(picture.miou)}" if picture.miou is not None else "nothing labelled"
    described = f"{row_name(row)}, {words} picture, {picture.id}, {score}. Panels: {PANELS}."
    # Read back by carried.read_carried, which knows this order.
    image = element("img", {"data-file": file, "src": data_uri(file, carried[file]), "alt": described})
    caption = element("strong", {}, text(words)) + text(f" · {score} · {picture.id}")
    return element("figure", {}, image, element("figcaption", {}, caption))
