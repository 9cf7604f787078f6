"""``results/<scale>/README.md`` in the published table's own form, and the short table of the top README."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pointrend.errors import ResultsError
from pointrend.results import tables
from pointrend.results.published import Published, column_widths, render_introduction, render_rows
from pointrend.results.tables import Cell, Table

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"


def render_readme(results: Mapping[str, Any], published: Published) -> str:
    """The whole results/<scale>/README.md."""
    sections = [
        f"# PointRend: results at scale {_text(results['scale'])}\n",
        f"> **{_text(tables.scale_sentence(results))}**\n",
        render_introduction(published),
        f"## Results\n\n{tables.columns_sentence(results)}\n",
        *map(_section, tables.result_tables(results, published)),
        f"{_text(tables.STRIDE_SENTENCE)}\n",
        _list("Verdicts", tables.verdict_sentences(results)),
        _list("Reasons", tables.reason_lines(results)),
        _explained(tables.certainty_table(results), tables.CERTAINTY_SENTENCE),
        _explained(tables.paired_table(results), tables.PAIRED_SENTENCE),
        _explained(tables.refinement_table(results), tables.REFINEMENT_SENTENCE),
        f"## Evidence\n\nMade from [results.json](results.json) (sha256 `{results['sha256']}`) and the published"
        f" document {published.file} (sha256 `{published.sha256}`).\n",
    ]
    return "\n".join(filter(None, sections))


def render_summary(results: Mapping[str, Any]) -> str:
    """The short table of the top README, one line a run."""
    return _table(tables.overview_table(results))


def with_summary(readme: str, results: Mapping[str, Any]) -> str:
    """A README's text with the short table between its markers.

    Raises:
        ResultsError: the two markers are not there exactly once and in order.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in before + after:
        what = "the README does not have its results markers exactly once and in order"
        raise ResultsError(what, f"put {BEGIN} and {END} around the place of the table")
    return f"{before}{BEGIN}\n{render_summary(results)}{END}{after}"


def _section(table: Table) -> str:
    return f"#### {table.heading}\n{_table(table)}"


def _explained(table: Table, sentence: str) -> str:
    return f"## {table.heading}\n\n{sentence}\n\n{_table(table)}" if table.rows else ""


def _list(heading: str, lines: list[tuple[str, str]]) -> str:
    items = "".join(f"- {_text(name)} – {_text(text)}\n" for name, text in lines)
    return f"**{heading}**\n\n{items}" if items else ""


def _table(table: Table) -> str:
    rows = [list(table.columns), *([_cell(cell) for cell in row] for row in table.rows)]
    return render_rows(rows, column_widths(rows))


def _cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return _text(cell)
    return " &#124; ".join(f"[{_text(link.text)}]({link.url})" for link in cell)


def _text(text: str) -> str:
    """``text`` without meaning to Markdown."""
    return re.sub(r"([\\|*<>`\[\]])", r"\\\1", " ".join(text.split()))
