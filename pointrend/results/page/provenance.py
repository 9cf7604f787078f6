"""What every figure rests on: hashes to copy, files to save, and how and where the run was trained."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pointrend.results.chain import CURVE_TABLE, METRICS
from pointrend.results.page.carried import Carried, carried_name, data_uri, published_curve
from pointrend.results.page.markup import box, definitions, element, lines, text
from pointrend.results.published import Published
from pointrend.results.tables import NOTHING, Row, row_name

EXPLAINED = (
    "sha256 of everything a figure was made from; pointrend verify recomputes them all. The page carries the small"
    " files that it shows, and they can be saved from here."
)


def provenance_section(results: Mapping[str, Any], published: Published, carried: Carried) -> str:
    """The sources of the results, and a panel a row."""
    sources = [("results.json", hash_code(results["sha256"])), (published.file, hash_code(published.sha256))]
    panels = [_panel(row, carried) for row in results["runs"]]
    return lines([element("p", {}, text(EXPLAINED)), definitions(sources), *panels])


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
    parts = [_files(row, carried), nested(row.get("provenance") or {}) if row.get("provenance") else "", _hashes(row)]
    return element("details", {"class": "proof"}, summary, *parts)


def _files(row: Row, carried: Carried) -> str:
    files = [carried_name(row, METRICS), carried_name(row, CURVE_TABLE)]
    if row["kind"] == "trained":
        files.append(published_curve(row))
    files = [file for file in files if file in carried]
    if not files:
        return ""
    # Read back by carried.read_carried, which knows this order.
    links = (
        element(
            "a",
            {"data-file": file, "href": data_uri(file, carried[file]), "download": file.replace("/", ".")},
            text(file.partition("/")[2]),
        )
        for file in files
    )
    return element("p", {}, "Save ", " · ".join(links))


def _hashes(row: Row) -> str:
    if not row["hashes"]:
        return element("p", {"class": "quiet"}, "Nothing has been made for this row yet.")
    head = element("tr", {}, *(element("th", {"scope": "col"}, words) for words in ("What", "sha256")))
    body = "\n".join(
        element("tr", {}, element("th", {"scope": "row"}, text(name)), element("td", {}, hash_code(value)))
        for name, value in sorted(row["hashes"].items())
    )
    caption = f"Hashes of {row_name(row)}"
    table = element(
        "table",
        {"class": "hashes"},
        element("caption", {}, text(caption)),
        f"<thead>{head}</thead><tbody>\n{body}\n</tbody>",
    )
    return box(caption, table)
