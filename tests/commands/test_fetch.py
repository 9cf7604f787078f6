"""`pointrend fetch` typed by hand where an engine has been."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointrend.commands.fetch import MARK
from tests.released import noise_masks, paper, prepare

FETCHED = Path("data/paper/archives/voc")


def test_only_what_snakemake_leaves_among_archives_is_no_obstacle(
    offered: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(offered, noise_masks(2))
    (FETCHED / MARK).touch()
    assert paper("fetch voc") == 0
    assert (FETCHED / MARK).exists()
    (FETCHED / "my.tar").write_text("mine")
    assert paper("fetch voc") == 2
    assert f"{FETCHED / 'my.tar'} was not put there by fetch" in capsys.readouterr().err
    assert (FETCHED / "my.tar").read_text() == "mine"
