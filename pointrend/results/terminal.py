"""The results as a few lines of plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from pointrend.results import tables

WIDTH = 88
"""Columns that the sentences around the table may fill."""


def terminal_table(results: Mapping[str, Any]) -> str:
    """A table of one line a run, between what the figures are good for and what the verdicts mean."""
    table = tables.summary_table(results)
    rows = [table.columns, *([str(cell) for cell in row] for row in table.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    last = len(widths) - 1
    lines = (
        "  ".join(
            cell.ljust(width) if i in (0, last) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
    meanings = (textwrap.fill(f"{word}: {text}", WIDTH) for word, text in tables.verdict_sentences(results))
    return "\n".join((textwrap.fill(tables.scale_sentence(results), WIDTH), "", *lines, "", *meanings)) + "\n"
