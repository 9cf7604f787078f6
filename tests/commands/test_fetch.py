"""`pointrend fetch` typed by hand where an engine has been."""

from pathlib import Path

from pointrend.commands.fetch import MARK
from tests.released import noise_masks, paper, prepare

FETCHED = Path("data/paper/archives/voc")


def test_what_snakemake_leaves_among_archives_is_no_obstacle(offered):
    prepare(offered, noise_masks(2))
    (FETCHED / MARK).touch()
    assert paper("fetch voc") == 0
    assert (FETCHED / MARK).exists()
