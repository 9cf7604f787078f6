"""``results/<scale>/index.html``: the report as one page that needs nothing but the pictures beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any
from urllib.parse import quote

from pointrend.results import tables
from pointrend.results.page_style import STYLE
from pointrend.results.published import Link, Published
from pointrend.results.tables import Cell, Row, Table, row_name, run_folder

VERDICT_CLASSES = {
    "not run": "pending",
    "not comparable": "aside",
    "insufficient": "neutral",
    "matches": "good",
    "close": "neutral",
    "differs": "bad",
    "consistent": "neutral",
    "reproduced": "good",
    "below": "bad",
    "above": "bad",
    "unverified": "bad",
}


def render_page(results: Mapping[str, Any], published: Published) -> str:
    """The whole results/<scale>/index.html."""
    title = f"PointRend: results at scale {results['scale']}"
    kind = "neutral" if tables.comparable(results) else "aside"
    main = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="notice {kind}">{escape(tables.scale_sentence(results))}</p>',
        _introduction(published),
        "<h2>Results</h2>",
        f"<p>{escape(tables.columns_sentence(results))}</p>",
        *(f"<h3>{escape(table.heading)}</h3>\n{_table(table)}" for table in tables.result_tables(results, published)),
        f'<p class="small">{escape(tables.STRIDE_SENTENCE)}</p>',
        _definitions("Verdicts", tables.verdict_sentences(results)),
        _definitions("Reasons", tables.reason_lines(results)),
        _explained(tables.certainty_table(results), tables.CERTAINTY_SENTENCE),
        _explained(tables.paired_table(results), tables.PAIRED_SENTENCE),
        _explained(tables.refinement_table(results), tables.REFINEMENT_SENTENCE),
        _pictures(results),
        _evidence(results, published),
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{_lines(main)}\n</main>\n</body>\n</html>\n"
    )


def _introduction(published: Published) -> str:
    links = " · ".join(_link(link) for link in (published.paper, *published.links))
    bibtex = f"<details><summary>BibTeX</summary><pre>{escape(published.bibtex)}</pre></details>"
    return f'<p class="links">{links}</p>\n{bibtex}'


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    body = _lines(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _cell(cell: Cell) -> str:
    if not isinstance(cell, str):
        return f"<td>{' | '.join(map(_link, cell))}</td>"
    if cell in VERDICT_CLASSES:
        return f'<td><span class="verdict {VERDICT_CLASSES[cell]}">{escape(cell)}</span></td>'
    return f"<td>{escape(cell)}</td>"


def _explained(table: Table, sentence: str) -> str:
    if not table.rows:
        return ""
    return f"<h2>{escape(table.heading)}</h2>\n<p>{escape(sentence)}</p>\n{_table(table)}"


def _pictures(results: Mapping[str, Any]) -> str:
    figures = [_figure(results["scale"], row, name) for row in results["runs"] for name in row["pictures"]]
    if not figures:
        return ""
    text = "The first validation pictures of every run. A click shows one in full."
    return f"<h2>Pictures</h2>\n<p>{text}</p>\n{_lines(figures)}"


def _figure(scale: str, row: Row, name: str) -> str:
    source = escape(f"{run_folder(scale, row)}/pictures/{quote(name)}")
    caption = escape(f"{row_name(row)}: {name.removesuffix('.png')}")
    image = f'<a href="{source}"><img src="{source}" alt="{caption}" loading="lazy"></a>'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def _evidence(results: Mapping[str, Any], published: Published) -> str:
    sources = [
        ("results.json", f"sha256 {results['sha256']}"),
        (published.file, f"sha256 {published.sha256}"),
    ]
    runs = _lines(_run_evidence(row) for row in results["runs"])
    return f"<h2>Evidence</h2>\n{_definitions('Made from', sources)}\n{runs}"


def _run_evidence(row: Row) -> str:
    hashes = _lines(
        f"<tr><td>{escape(name)}</td><td><code>{escape(value)}</code></td></tr>"
        for name, value in sorted(row["hashes"].items())
    )
    summary = escape(f"{row_name(row)}: {row['evidence']}")
    table = f'<div class="wide"><table class="hashes"><tbody>\n{hashes}\n</tbody></table></div>'
    return f"<details><summary>{summary}</summary>{table}</details>"


def _definitions(heading: str, entries: list[tuple[str, str]]) -> str:
    if not entries:
        return ""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in entries)
    return f"<h4>{escape(heading)}</h4>\n<dl>{items}</dl>"


def _link(link: Link) -> str:
    return f'<a href="{escape(link.url)}">{escape(link.text)}</a>'


def _lines(parts: Iterable[str]) -> str:
    return "\n".join(filter(None, parts))
