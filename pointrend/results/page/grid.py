"""Tables of the page. The script makes those of class ``sortable`` sortable; without it they are plain tables."""

from __future__ import annotations

from collections.abc import Sequence

from pointrend.results.page.markup import element, link, text
from pointrend.results.tables import Cell, Table

VERDICT_STYLES = {
    "not run": "pending",
    "not comparable": "aside",
    "insufficient": "neutral",
    "consistent": "neutral",
    "close": "neutral",
    "reproduced": "good",
    "matches": "good",
    "below": "bad",
    "above": "bad",
    "differs": "bad",
    "unverified": "bad",
}
"""CSS class by verdict; any other verdict is neutral."""


def table_box(table: Table, style: str = "") -> str:
    """A :class:`Table` as it is; verdicts stand out."""
    rows = [[_cell(column, cell) for column, cell in zip(table.columns, row, strict=True)] for row in table.rows]
    return markup_table(table.heading, table.columns, rows, style)


def markup_table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]], style: str = "") -> str:
    """A sortable table of plain ``columns`` and cells that are markup, in a box that scrolls by itself.

    The first cell of a row names it.
    """
    head = element("tr", {}, *(element("th", {"scope": "col"}, text(column)) for column in columns))
    body = "\n".join(
        element("tr", {}, element("th", {"scope": "row"}, row[0]), *(element("td", {}, cell) for cell in row[1:]))
        for row in rows
    )
    table = element(
        "table",
        {"class": f"sortable {style}".strip()},
        element("caption", {}, text(caption)),
        f"\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n",
    )
    return box(caption, table)


def box(name: str, content: str) -> str:
    """A box that scrolls by itself, by keyboard too; ``name`` is read out."""
    return element("div", {"class": "wide", "role": "region", "aria-label": name, "tabindex": "0"}, content)


def _cell(column: str, cell: Cell) -> str:
    if not isinstance(cell, str):
        return " | ".join(map(link, cell))
    if column == "Verdict":
        return element("span", {"class": f"verdict {VERDICT_STYLES.get(cell, 'neutral')}"}, text(cell))
    return text(cell)
