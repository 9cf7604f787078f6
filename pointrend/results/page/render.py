"""``results/<scale>/index.html``: the report as a single page that needs no other file and no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from pointrend.results import tables
from pointrend.results.page.carried import Carried
from pointrend.results.page.curves import curves_section
from pointrend.results.page.markup import definitions, element, lines, link, table_box, text
from pointrend.results.page.score_plot import score_plots
from pointrend.results.page.sections import class_section, gallery, provenance_section
from pointrend.results.published import Published
from pointrend.results.tables import Table
from pointrend.settings.definition import DEMO

CLASSES_SENTENCE = (
    "Intersection over union of each class over the whole split, in percent. A class that occurs neither in a label nor"
    " in a prediction is absent: it has none, and does not count in the mean."
)
CURVES_SENTENCE = "What metrics.jsonl logged during the training: the losses, and below them the learning rate."


def render_page(results: Mapping[str, Any], published: Published, carried: Carried) -> str:
    """The whole results/<scale>/index.html.

    ``carried`` are the files of the runs that it shows, see :mod:`pointrend.results.page.carried`.

    Raises:
        CheckFailed: a carried file is not of its form.
    """
    title = f"PointRend: results at scale {results['scale']}"
    beside = tables.of_theirs(results["scale"], "Beside the published numbers")
    explained = tables.explained_tables(results, published)
    sections = {
        "results": ("Results", _results(results, published)),
        "published": (beside, _published(results, published)),
        **{name: (table.heading, _explained(table)) for name, table in explained.items()},
        "curves": ("Training curves", _told(CURVES_SENTENCE, curves_section(results, published, carried))),
        "classes": ("IoU per class", _told(CLASSES_SENTENCE, class_section(results, published, carried))),
        "pictures": ("Pictures", gallery(results, carried)),
        "provenance": ("Evidence", provenance_section(results, published, carried)),
    }
    sections = {name: section for name, section in sections.items() if section[1]}
    main = lines(_section(name, heading, content) for name, (heading, content) in sections.items())
    headings = {name: heading for name, (heading, _) in sections.items()}
    return _document(title, _header(title, results, headings), main)


def _document(title: str, header: str, main: str) -> str:
    style, script = _asset("style.css"), _asset("script.js")
    # Nothing may be loaded, and no other style or script may act, whatever a name in the results holds.
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}';"
        " base-uri 'none'; form-action 'none'"
    )
    head = [
        element("meta", {"charset": "utf-8"}),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("title", {}, text(title)),
        element("style", {}, style),
    ]
    body = [
        element("a", {"class": "skip", "href": "#content"}, "Skip to the content"),
        header,
        element("main", {"id": "content", "tabindex": "-1"}, "\n", main, "\n"),
        element("script", {}, script),
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{lines(head)}\n</head>\n<body>\n{lines(body)}\n</body>\n</html>\n'
    )


def _header(title: str, results: Mapping[str, Any], headings: Mapping[str, str]) -> str:
    style = "neutral" if tables.comparable(results) else "aside"
    notice = element("p", {"class": f"notice {style}"}, text(tables.scale_sentence(results)))
    links = (element("li", {}, element("a", {"href": f"#{name}"}, text(heading))) for name, heading in headings.items())
    navigation = element("nav", {"aria-label": "Sections"}, element("ul", {}, *links))
    return element("header", {}, lines([element("h1", {}, text(title)), notice, navigation]))


def _section(name: str, heading: str, content: str) -> str:
    title = element("h2", {"id": f"{name}-heading"}, text(heading))
    return element("section", {"id": name, "aria-labelledby": f"{name}-heading"}, "\n", title, "\n", content, "\n")


def _results(results: Mapping[str, Any], published: Published) -> str:
    meanings = _list("What the verdicts mean", tables.verdict_sentences(results))
    reasons = _list("Why", tables.reason_lines(results))
    table = table_box(tables.summary_table(results, published), "headed judged")
    return lines([table, meanings, reasons, score_plots(results)])


def _published(results: Mapping[str, Any], published: Published) -> str:
    links = " · ".join(map(link, (published.paper, *published.links)))
    parts = [
        element("p", {}, text(tables.columns_sentence(results))),
        *(table_box(table, "published") for table in tables.result_tables(results, published)),
        "" if results["scale"] == DEMO else element("p", {"class": "small"}, text(tables.STRIDE_SENTENCE)),
        element("p", {"class": "links"}, links),
        element("details", {}, "<summary>BibTeX</summary>", element("pre", {}, text(published.bibtex))),
    ]
    return lines(parts)


def _explained(table: Table) -> str:
    return _told(table.sentence, table_box(table, "headed judged" if "Verdict" in table.columns else "headed"))


def _told(sentence: str, content: str) -> str:
    return element("p", {}, text(sentence)) + content if content else ""


def _list(heading: str, entries: list[tuple[str, str]]) -> str:
    if not entries:
        return ""
    return element("h3", {}, text(heading)) + definitions((name, text(words)) for name, words in entries)


@cache
def _asset(name: str) -> str:
    return "\n" + files("pointrend.results.page").joinpath(name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
