"""What Snakemake's own linter says of the workflow."""

from __future__ import annotations

from pathlib import Path

from tests.workflow.checkout import Checkout


def test_snakemake_finds_nothing_to_mend(tmp_path: Path) -> None:
    found = Checkout(tmp_path / "pointrend").run("snakemake", "--lint")
    assert found == "Congratulations, your workflow is in a good condition!\n"
