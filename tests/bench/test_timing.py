"""Interleaved timing, figures made of it, and where they are written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pointrend.bench.figures import FAST, PLAIN, Figure, Growth, Shares
from pointrend.bench.record import machine, record_of, table, update_table, write_record
from pointrend.bench.registry import BENCHES
from pointrend.bench.timing import Timing, interleaved
from pointrend.cli import main
from pointrend.errors import ResultsError

ROOT = Path(__file__).parents[2]


def timing(seconds: float, cpu: float | None = None) -> Timing:
    return Timing(seconds, seconds if cpu is None else cpu, 12.0, 5)


FIGURE = Figure("thing", "picture", 4, {PLAIN: timing(2.0), FAST: timing(0.5, 0.25)}, {"dataset": "voc"})
SHARES = Shares("a step", {"convolutions": 0.754, "everything else": 0.246})
GROWTH = Growth("memory", "MB", "pictures", {100: 1.0, 1000: 1.5})


def test_candidates_take_turns_in_changing_order() -> None:
    calls: list[str] = []
    found = interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=3)
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab"
    assert found["a"].runs == 3


def test_processor_time_of_children_counts() -> None:
    burn = [sys.executable, "-c", "sum(range(4_000_000))"]
    found = interleaved({"child": lambda: subprocess.run(burn, check=True), "nothing": lambda: None}, repeats=1)
    assert found["child"].cpu_s > found["nothing"].cpu_s + 0.01


def test_the_peak_is_of_the_candidate_alone() -> None:
    found = interleaved({"big": lambda: b"x" * 60_000_000, "small": lambda: b""}, repeats=1)
    big, small = found["big"].peak_mb, found["small"].peak_mb
    if sys.platform == "linux":
        assert big is not None
        assert small is not None
        assert big > 50 > small
    else:  # nothing tells
        assert big is None


def test_a_figure_says_times_and_ratios_of_one_thing() -> None:
    assert (FIGURE.milliseconds(PLAIN), FIGURE.milliseconds()) == (500.0, 125.0)
    assert (FIGURE.ratio(), FIGURE.cpu_ratio()) == (4.0, 8.0)
    assert Figure("alone", "step", 1, {FAST: timing(1.0)}).ratio() is None


def test_the_record_is_written_and_its_table_replaced(tmp_path: Path) -> None:
    record = record_of("loader", [FIGURE, GROWTH, SHARES], device="NVIDIA X 100")
    path = write_record(tmp_path, record)
    assert path.name == f"loader_nvidia-x-100_{record['date']}.json"
    assert json.loads(path.read_text()) == record
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench:loader:begin -->\nold\n<!-- bench:loader:end -->\nafter\n")
    update_table(page, record)
    update_table(page, record)
    assert page.read_text() == f"before\n<!-- bench:loader:begin -->\n{table(record)}<!-- bench:loader:end -->\nafter\n"
    assert "| thing, a picture | 500 | 125 | 4.0 | 8.0 | 12 MB, 12 MB |" in table(record)
    assert "| memory, MB, over pictures | 100 | 1,000 |" in table(record)
    assert "| what a step spends its time on | share |\n|-|-|\n| convolutions | 75 % |" in table(record)
    assert str(machine()["processor"]) in table(record)


def test_a_page_without_a_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("no markers")
    with pytest.raises(ResultsError, match="has no place for loader"):
        update_table(tmp_path / "page.md", record_of("loader", [FIGURE]))


def test_every_benchmark_has_a_module_a_place_on_the_page_and_a_line_in_the_makefile() -> None:
    page, makefile = (ROOT / "docs" / "performance.md").read_text(), (ROOT / "Makefile").read_text()
    for name in BENCHES:
        assert (ROOT / "pointrend" / "bench" / f"{name}.py").is_file()
        assert f"<!-- bench:{name}:begin -->" in page
        assert name in makefile.split("BENCHES := ")[1].splitlines()[0].split()


def test_the_verb_writes_record_and_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("params.yaml", "docs/performance.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    monkeypatch.setattr("pointrend.bench.hash.MEGABYTES", 1)
    assert main(["--params", str(tmp_path / "params.yaml"), "bench", "hash", "--json"]) == 0
    (written,) = (tmp_path / "benchmarks").iterdir()
    assert json.loads(capsys.readouterr().out) == json.loads(written.read_text())
    assert "sha256, in memory and of a file" in (tmp_path / "docs" / "performance.md").read_text()
