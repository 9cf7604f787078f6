from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from pointrend.errors import CheckFailed, ResultsError
from pointrend.files import write_text
from pointrend.results.page import carried
from pointrend.results.page.carried import gather, read_carried, shown_pictures
from tests.results.pages import check, page_of, report
from tests.results.runs import PICTURES, results_of

CARRIED = [f"{run}-s0/{name}" for run in ("voc_r50", "voc_r101") for name in ("metrics.json", "curve.csv")]


def test_a_page_carries_the_files_that_it_was_made_from(tmp_path: Path) -> None:
    found = read_carried(page_of(results_of(tmp_path), tmp_path))
    assert set(CARRIED) < set(found)
    assert {name for name in found if "/pictures/" in name} == {f"voc_r50-s0/pictures/{name}" for name in PICTURES}
    for name, content in found.items():
        assert content == (tmp_path / name).read_bytes()


def test_a_page_can_be_made_again_without_the_runs_unless_its_files_were_changed(tmp_path: Path) -> None:
    results = results_of(tmp_path / "runs")
    report(results, tmp_path, tmp_path / "runs")
    before = (tmp_path / "index.html").read_text()
    shutil.rmtree(tmp_path / "runs")
    check(results, tmp_path, tmp_path / "runs")
    report(results, tmp_path, tmp_path / "runs")
    assert (tmp_path / "index.html").read_text() == before
    place = before.index("base64,", before.index('data-file="voc_r50-s0/curve.csv"')) + 20
    write_text(tmp_path / "index.html", f"{before[:place]}{'B' if before[place] == 'A' else 'A'}{before[place + 1 :]}")
    with pytest.raises(ResultsError, match=r"curve\.csv does not exist, and .*index\.html does not carry it"):
        check(results, tmp_path, tmp_path / "runs")


def test_a_file_that_is_nowhere_or_was_changed_is_named(tmp_path: Path) -> None:
    results = results_of(tmp_path)
    (tmp_path / "voc_r101-s0/curve.csv").write_text("iteration,lr,loss\n")
    with pytest.raises(CheckFailed, match=r"voc_r101-s0/curve\.csv is not the one that results\.json names"):
        gather(results, tmp_path, tmp_path / "index.html")
    (tmp_path / "voc_r50-s0/pictures/a b#1.png").unlink()
    with pytest.raises(ResultsError, match=r"pictures/a b#1\.png does not exist"):
        gather(results, tmp_path, tmp_path / "index.html")


def row(run: str, sizes: dict[str, tuple[int, str]]) -> dict[str, Any]:
    """A row with pictures of so many bytes that stand for so much, all at the same place of the split."""
    pictures = {
        name: {"id": name, "index": number, "miou": 1.0, "shown_as": words.split(), "bytes": size}
        for number, (name, (size, words)) in enumerate(sizes.items())
    }
    return {"run": run, "seed": 0, "kind": "trained", "pictures": pictures, "hashes": {}}


def test_pictures_are_shown_in_their_order_until_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried, "PICTURE_BYTES", 60)
    first = row("a", {"f1": (10, "first"), "f2": (10, "first"), "m": (10, "median"), "b": (10, "best first")})
    second = row("b", {"w": (10, "worst"), "large": (31, "first"), "none": (5, "first")})
    shown = shown_pictures({"runs": [first, {**first, "pictures": {}, "run": "c"}, second]})
    assert {folder: [picture.file for picture in pictures] for folder, pictures in shown.items()} == {
        "a-s0": ["b", "m", "f1", "f2"],
        "b-s0": ["w", "none"],
    }
