"""docs/reliability.md, and the tables in it that campaigns rewrite."""

from __future__ import annotations

from tests.trust.ground import ROOT

DOCUMENT = ROOT / "docs/reliability.md"


def with_table(document: str, campaign: str, table: str) -> str:
    """``document`` with another table between the markers of a campaign."""
    begin, end = (f"<!-- {campaign}:{place} -->" for place in ("begin", "end"))
    before, found_begin, rest = document.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"{DOCUMENT} has lost its markers {begin} and {end}")
    return f"{before}{begin}\n{table}{end}{after}"


def write_table(campaign: str, table: str) -> None:
    """Put the table of a campaign into docs/reliability.md; those of others stay."""
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8"), campaign, table), encoding="utf-8")
