"""The checkout in which planning is timed: everything is done, so that planning alone is what takes time."""

from __future__ import annotations

from pointrend.bench.planning import NOTHING, finished_checkout


def test_everything_is_there_and_snakemake_knows_what_it_follows_from() -> None:
    with finished_checkout(1, "runs=voc_r50") as snakemake:
        said = snakemake("-n")
    assert NOTHING in said
    assert "missing provenance" not in said
