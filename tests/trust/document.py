"""The tables of docs/reliability.md that campaigns rewrite."""

from __future__ import annotations

from tests.trust.ground import ROOT

DOCUMENT = ROOT / "docs/reliability.md"


def with_table(document: str, campaign: str, table: str) -> str:
    """``document`` with another table between the markers of a campaign."""
    begin, end = (f"<!-- {campaign}:{place} -->" for place in ("begin", "end"))
    if begin not in document or end not in document:
        raise ValueError(f"{DOCUMENT} has lost its markers {begin} and {end}")
    return f"{document.split(begin)[0]}{begin}\n{table}{end}{document.split(end)[1]}"


def write_table(campaign: str, table: str) -> None:
    """Put the table of a campaign into docs/reliability.md; the others stay."""
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8"), campaign, table), encoding="utf-8")
