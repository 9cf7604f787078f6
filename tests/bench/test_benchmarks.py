"""The benchmarks: interleaved timing, the record that `pointrend plan` reads, and the table on the page."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from benchmarks.__main__ import BENCHES
from benchmarks.figures import FAST, PLAIN, Figure, Growth, record_of, save, table
from benchmarks.step import batch, setting_of
from benchmarks.timing import Timing, interleaved

ROOT = Path(__file__).parents[2]


def test_candidates_take_turns_and_their_memory_is_measured_separately() -> None:
    calls: list[str] = []
    big, small = lambda: calls.append("a") or b"x" * 60_000_000, lambda: calls.append("b")
    found = interleaved({"a": big, "b": small}, repeats=3)
    assert ("".join(calls), found["a"].runs) == ("ab" + "ab" + "ba" + "ab", 3)
    if sys.platform == "linux":
        assert found["a"].peak_mb > 50 > found["b"].peak_mb
    else:
        assert found["a"].peak_mb is None


def test_the_record_is_written_and_its_table_replaced(tmp_path: Path) -> None:
    timings = {PLAIN: Timing(2.0, 2.0, 12.0, 5), FAST: Timing(0.5, 0.25, None, 5)}
    figure, growth = Figure("it", "image", 4, timings), Growth("speed", "per second", "workers", {1: 1.0, 2: 1500})
    record = record_of(
        "loader", [figure, Figure("alone", "step", 1, {FAST: timings[FAST]}), growth], torch.device("cpu")
    )
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench:loader:begin -->\nold\n<!-- bench:loader:end -->\nafter\n")
    for _ in range(2):
        save(record, tmp_path, page)
    (path,) = tmp_path.glob(f"loader_*_{record['date']}.json")
    assert json.loads(path.read_text()) == record
    assert record["machine"]["name"] == record["machine"]["processor"]
    assert page.read_text() == f"before\n<!-- bench:loader:begin -->\n{table(record)}<!-- bench:loader:end -->\nafter\n"
    assert "| it, per image | 500 | 125 | 4.0 | 8.0 | 12 MB, – |\n| alone, per step | – | 500 | – | – | – |" in table(
        record
    )
    assert "| speed, per second, over workers | 1 | 2 |\n|-|-|-|\n|  | 1 | 1500 |" in table(record)


def test_every_benchmark_has_a_module_and_a_table_on_the_page() -> None:
    for name in BENCHES:
        assert (ROOT / "benchmarks" / f"{name}.py").is_file()
        assert f"<!-- bench:{name}:begin -->" in (ROOT / "docs" / "performance.md").read_text()


def test_the_measured_batch_is_that_of_the_recipe() -> None:
    found = batch(setting_of("cityscapes_r50"), 2)
    assert (found.pictures.shape, found.labels.shape) == ((2, 512, 1024, 3), (2, 512, 1024))
    assert int(found.labels.max()) == 18
