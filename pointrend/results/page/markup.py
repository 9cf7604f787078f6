"""HTML and SVG as text. Whatever is not markup passes through :func:`text` or is the value of an attribute.

The script makes tables of class ``sortable`` sortable; without it they are plain tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from pointrend.results.published import Link
from pointrend.results.tables import Cell, Table

# A number is written with at most two decimals; True is an attribute without a value; False and None leave it out.
Attributes = Mapping[str, str | float | bool | None]
VOID = {"img", "meta"}  # elements without content or end tag
# CSS class by verdict; any other verdict is neutral
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


def text(words: str) -> str:
    """``words`` without meaning to HTML."""
    return escape(words)


def element(name: str, attributes: Attributes, *content: str) -> str:
    """An element; ``content`` is markup, attribute values are plain."""
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    return f"<{name}{written}>" if name in VOID else f"<{name}{written}>{''.join(content)}</{name}>"


def link(to: Link) -> str:
    """A link to another document."""
    return element("a", {"href": to.url}, text(to.text))


def lines(parts: Iterable[str]) -> str:
    """Parts of a page, each on a line of its own; empty ones are left out."""
    return "\n".join(filter(None, parts))


def definitions(entries: Iterable[tuple[str, str]]) -> str:
    """A list of plain names and what they mean, the latter as markup."""
    items = (element("dt", {}, text(name)) + element("dd", {}, meaning) for name, meaning in entries)
    return element("dl", {}, *items)


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


def number(value: float) -> str:
    """A coordinate: at most two decimals, and no needless digits."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) >= 0.005 else "0"


def _attribute(key: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return f" {key}"
    return f' {key}="{escape(value if isinstance(value, str) else number(value))}"'


def _cell(column: str, cell: Cell) -> str:
    if not isinstance(cell, str):
        return " | ".join(map(link, cell))
    if column == "Verdict":
        return element("span", {"class": f"verdict {VERDICT_STYLES.get(cell, 'neutral')}"}, text(cell))
    return text(cell)
