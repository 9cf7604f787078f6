"""Sections of the page: IoU per class, pictures run by run, and what every figure rests on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from pointrend.errors import CheckFailed
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
from pointrend.results.page.markup import box, definitions, element, lines, markup_table, text
from pointrend.results.published import OriginalTraining, Published
from pointrend.results.tables import NOTHING, Row, percent, row_name

ABSENT = "absent"  # a class that occurs in no label and no prediction

Scores = Mapping[str, float | None]  # IoU in percent by class name, None where the class is absent
PANELS = "photo, label, coarse prediction, refined prediction, points of the last refining step, what is still wrong"
PICTURES_EXPLAINED = (
    "The validation images with the highest, the median and the lowest mIoU of their own, and the first ones of the"
    " split, which nobody chose. Each shows the photo, the label, the coarse prediction, the refined one, where the"
    " last step refined, and where the refined prediction is wrong. The mIoU of a single image counts only the"
    " classes that occur in it; the mIoU of a run is not the mean of these."
)
EVIDENCE_EXPLAINED = (
    "sha256 of everything a figure was made from; pointrend verify recomputes them all. The page carries the small"
    " files that it shows, and they can be saved from here."
)


def class_section(results: Mapping[str, Any], published: Published, carried: Carried) -> str:
    """The tables of all datasets with a scored run; at scale demo with the means of the original's trainings.

    Raises:
        CheckFailed: a metrics.json has no scores by class.
    """
    scores: dict[str, dict[str, Scores]] = {}
    for row in results["runs"]:
        name = carried_name(row, METRICS)
        if name in carried:
            columns = scores.setdefault(row["setting"]["dataset"], {})
            if trainings := published.trainings(row):
                columns[f"{row['run']} (original, mean of {len(trainings)})"] = _mean_scores(trainings)
            columns[row_name(row)] = _scores(name, carried[name])
    tables = (_dataset_table(dataset, columns) for dataset, columns in scores.items())
    return element("div", {"class": "class-tables"}, *tables) if scores else ""


def _scores(name: str, content: bytes) -> Scores:
    try:
        scores = json.loads(content)["iou"]
        return {str(key): None if value is None else float(value) for key, value in scores.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise CheckFailed(f"{name} has no IoU per class: {problem!r}", "evaluate that run again") from problem


def _mean_scores(trainings: Sequence[OriginalTraining]) -> Scores:
    ious: dict[str, list[float]] = {}
    for training in trainings:
        for name, iou in training.iou.items():
            ious.setdefault(name, []).append(iou)
    return {name: fmean(values) for name, values in ious.items()}


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


def gallery(results: Mapping[str, Any], carried: Carried) -> str:
    """The pictures of all runs that have some."""
    shown = shown_pictures(results)
    rows = [row for row in results["runs"] if row["pictures"]]
    if not rows:
        return ""
    taken, drawn = sum(map(len, shown.values())), sum(len(row["pictures"]) for row in rows)
    size = sum(picture.bytes for pictures in shown.values() for picture in pictures)
    told = f"This page carries {taken} of the {drawn} images that were drawn, {size / 1e6:.1f} MB."
    runs = [_pictures_of_run(row, shown[folder_name(row)], carried) for row in rows]
    return lines([element("p", {}, text(PICTURES_EXPLAINED)), element("p", {"class": "small"}, text(told)), *runs])


def _pictures_of_run(row: Row, pictures: Sequence[Picture], carried: Carried) -> str:
    ranked = [_picture(row, picture, carried) for picture in pictures if picture.rank < len(RANKS)]
    first = [_picture(row, picture, carried) for picture in pictures if picture.rank == len(RANKS)]
    parts = [element("h3", {}, text(row_name(row))), element("div", {"class": "pictures"}, *ranked)]
    if first:
        summary = element("summary", {}, text(f"{len(first)} more of {row_name(row)}: the first of the split"))
        parts.append(element("details", {}, summary, element("div", {"class": "pictures"}, *first)))
    return element("div", {"class": "gallery"}, *parts)


def _picture(row: Row, picture: Picture, carried: Carried) -> str:
    file = carried_name(row, f"pictures/{picture.file}")
    words = ", ".join(word for word in picture.shown_as if word in RANKS) or f"no. {picture.index + 1}"
    score = f"mIoU {percent(picture.miou)}" if picture.miou is not None else "nothing labelled"
    described = f"{row_name(row)}, {words} picture, {picture.id}, {score}. Panels: {PANELS}."
    # Read back by carried.read_carried, which knows this order.
    image = element("img", {"data-file": file, "src": data_uri(file, carried[file]), "alt": described})
    caption = element("strong", {}, text(words)) + text(f" · {score} · {picture.id}")
    return element("figure", {}, image, element("figcaption", {}, caption))


def provenance_section(results: Mapping[str, Any], published: Published, carried: Carried) -> str:
    """The sources of the results, and a panel per row."""
    sources = [("results.json", hash_code(results["sha256"])), (published.file, hash_code(published.sha256))]
    plans = {row["run"]: row["sealed"] for row in results["runs"] if row["sealed"]}
    sources += [(f"seeds of {run}", _plan(sealed)) for run, sealed in plans.items()]
    panels = [_panel(row, carried) for row in results["runs"]]
    return lines([element("p", {}, text(EVIDENCE_EXPLAINED)), definitions(sources), *panels])


def _plan(sealed: Mapping[str, Any]) -> str:
    """The seeds of a run as they were planned, and what was started since."""
    seeds, starts, other = ", ".join(map(str, sealed["seeds"])), sealed["starts"], sealed["other"]
    words = f"{seeds}, planned at {sealed['time']}; starts since then: {starts}"
    more = f"; trained with other settings, data or code: {other} times" if other else ""
    return text(f"{words}{more}; sha256 ") + hash_code(sealed["sha256"])


def hash_code(value: str) -> str:
    """A hash; the script puts a button beside it that copies it."""
    return element("code", {"class": "hash"}, text(value))


def nested(value: Any) -> str:
    """Any scalars, mappings and lists of them, as nested lists of names and values."""
    if isinstance(value, Mapping):
        return definitions((str(name), nested(inner)) for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(nested, value)) or NOTHING
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    words = str(value)
    return hash_code(words) if re.fullmatch(r"[0-9a-f]{40,64}", words) else text(words)


def _panel(row: Row, carried: Carried) -> str:
    name = row_name(row)
    summary = element("summary", {}, text(f"{name}: {row['evidence']}"))
    provenance = nested(row["provenance"]) if row.get("provenance") else ""
    return element("details", {"class": "proof"}, summary, _files(row, carried), provenance, _hashes(row))


def _files(row: Row, carried: Carried) -> str:
    names = [carried_name(row, METRICS), carried_name(row, CURVE_TABLE)]
    names += [published_curve(row)] if row["kind"] == "trained" else []
    files = [name for name in names if name in carried]
    # Read back by carried.read_carried, which knows this order.
    links = (
        element(
            "a",
            {"data-file": file, "href": data_uri(file, carried[file]), "download": file.replace("/", ".")},
            text(file.partition("/")[2]),
        )
        for file in files
    )
    return element("p", {}, "Save ", " · ".join(links)) if files else ""


def _hashes(row: Row) -> str:
    if not row["hashes"]:
        return element("p", {"class": "quiet"}, "Nothing has been made for this row yet.")
    head = element("tr", {}, *(element("th", {"scope": "col"}, words) for words in ("What", "sha256")))
    body = "\n".join(
        element("tr", {}, element("th", {"scope": "row"}, text(name)), element("td", {}, hash_code(value)))
        for name, value in sorted(row["hashes"].items())
    )
    caption, table = f"Hashes of {row_name(row)}", f"<thead>{head}</thead><tbody>\n{body}\n</tbody>"
    return box(caption, element("table", {"class": "hashes"}, element("caption", {}, text(caption)), table))
