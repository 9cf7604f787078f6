"""Which archives a score is of follows from its records, not from the environment of whoever compares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pointrend.files import write_json
from pointrend.results.compare import read_results
from tests.released import FIRST_NAME, THIN, noise_masks, offer_weights, paper, prepare, read_params, thin_state

PINS = Path("pins.json")


@pytest.fixture
def scored(offered: Path) -> None:
    """Released weights, scored on data from the official archives; a file of checksums of one's own lies beside."""
    prepare(offered, noise_masks(2), **THIN)
    offer_weights(offered / FIRST_NAME, thin_state())
    archives = read_params()["datasets"]["voc"]["archives"]
    write_json(PINS, {"files": {archive["name"]: {"sha256": archive["sha256"]} for archive in archives}})
    assert paper("fetch released_voc_r50") == paper("evaluate voc_r50 --released") == 0


def row() -> dict[str, Any]:
    """What `compare` says of the released weights."""
    assert paper("compare") == 0
    rows = read_results(Path("results/paper/results.json"))["runs"]
    return next(row for row in rows if (row["run"], row["kind"]) == ("voc_r50", "released"))


def archives_named(row: dict[str, Any]) -> list[str]:
    return [reason for reason in row["reasons"] if "pins-" in reason]


@pytest.mark.usefixtures("scored")
def test_archives_under_own_checksums_are_named_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert archives_named(row()) == []
    with monkeypatch.context() as with_pins:
        with_pins.setenv("POINTREND_PINS", str(PINS.resolve()))
        for words in ("fetch voc", "fetch released_voc_r50", "prepare voc", "evaluate voc_r50 --released"):
            assert paper(words) == 0
        there = row()
        assert (there["verdict"], archives_named(there)[0][:13]) == ("not comparable", "archives pins")
    later = row()
    assert (later["verdict"], later["miou"]) == ("not run", None)
    assert later["reasons"][0].startswith("stale: ")
    assert archives_named(later)[0].endswith(", not official")


@pytest.mark.usefixtures("scored")
def test_a_variable_set_for_compare_alone_is_a_contradiction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTREND_PINS", str(PINS.resolve()))
    found = row()
    assert (found["verdict"], found["miou"], found["comparable"]) == ("not run", None, False)
    assert "archives official, not pins-" in found["reasons"][0]
