"""HTML and SVG as text. Whatever is not markup passes through :func:`text` or stands in an attribute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from pointrend.results.published import Link

Attributes = Mapping[str, str | float | bool | None]
"""A number is written with at most two decimals; True is an attribute without a value; False and None leave it out."""

VOID = {"img", "meta"}
"""Elements without content or end tag."""


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
    """A list of plain names and what they stand for, the latter as markup."""
    items = (element("dt", {}, text(name)) + element("dd", {}, meaning) for name, meaning in entries)
    return element("dl", {}, *items)


def number(value: float) -> str:
    """A coordinate: at most two decimals, and no digits that say nothing."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) >= 0.005 else "0"


def _attribute(key: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return f" {key}"
    return f' {key}="{escape(value if isinstance(value, str) else number(value))}"'
