"""The tables of docs/reliability.md are rewritten one at a time."""

from __future__ import annotations

import pytest

from tests.trust import document
from tests.trust.document import with_table

PAGE = "# R\n<!-- a:begin -->\nold\n<!-- a:end -->\n<!-- b:begin -->\nkept\n<!-- b:end -->\n"


def test_one_table_changes_and_the_other_stays() -> None:
    changed = with_table(PAGE, "a", "new\n")
    assert changed == PAGE.replace("old", "new")
    assert with_table(changed, "a", "new\n") == changed


@pytest.mark.parametrize("campaign", ["kills", "honest", "endless"])
def test_the_page_has_a_place_for_every_campaign(campaign: str) -> None:
    page = document.DOCUMENT.read_text(encoding="utf-8")
    assert "| figure |\n<!--" in with_table(page, campaign, "| figure |\n")


def test_a_page_without_its_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="lost its markers"):
        with_table("# Reliability", "kills", "| |")
