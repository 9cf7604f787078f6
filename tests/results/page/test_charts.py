from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from pointrend.errors import CheckFailed
from pointrend.files import canonical_json, sha256_file, write_json
from pointrend.results.audit.curves import LEAST_RECORDS, LOSSES, Curve
from pointrend.results.compare import compare
from pointrend.results.page.carried import gather
from pointrend.results.page.charts import Chart, library, score_charts
from pointrend.results.page.curves import (
    MOST_POINTS,
    Reference,
    curves,
    original_reference,
    read_curve,
    reference,
    thinned,
)
from pointrend.settings.definition import OriginalTraining
from tests.results.pages import page_of
from tests.results.runs import ASSUMED, MIOU, RUNS, finish, published, results_of, selected


def test_thinning_keeps_the_mean_and_the_order() -> None:
    assert thinned([1, 2, 3], 3) == [1, 2, 3]
    assert thinned([1, 3, 5, 7, 9], 3) == [2, 6, 9]
    assert thinned([], 3) == []
    assert len(thinned(list(range(3285)))) <= MOST_POINTS


def data_of(spec: Any) -> list[dict[str, Any]]:
    """All data of a specification."""
    return [row for rows in spec["datasets"].values() for row in rows]


def points_of(chart: Chart) -> dict[str, Any]:
    """Kind and value of the points in a plot of scores, by name."""
    return {row["Figure"]: (row["kind"], row["value"]) for row in data_of(chart.spec) if "Figure" in row}


def test_comparable_scores_are_drawn_as_differences_seeds_beside_their_mean(tmp_path: Path) -> None:
    runs = [selected(tmp_path, "voc_r50", seed) for seed in range(3)] + [selected(tmp_path, run) for run in RUNS[1:3]]
    for run in runs[:4]:
        finish(run)
    (chart,) = score_charts(compare("paper", runs, published(), ASSUMED))
    below = {run: pytest.approx(MIOU - theirs) for run, theirs in (("voc_r50", 69.84), ("voc_r101", 72.31))}
    assert points_of(chart) == {
        "voc_r50 (seed 0)": ("each seed", below["voc_r50"]),
        "voc_r50 (seed 1)": ("each seed", below["voc_r50"]),
        "voc_r50 (seed 2)": ("each seed", below["voc_r50"]),
        "voc_r50 (mean of 3)": ("ours", below["voc_r50"]),
        "voc_r101 (seed 0)": ("ours", below["voc_r101"]),
    }
    told = [(row["theirs"], row["Difference"]) for row in data_of(chart.spec) if row.get("run") == "voc_r101"]
    assert told[0] == ("72.31%", "−23.45 ± 0.84")
    assert {"low": -1.0, "high": 1.0, "value": 0} in data_of(chart.spec)


def test_what_is_not_comparable_has_its_own_plot_without_the_published_values(tmp_path: Path) -> None:
    (chart,) = score_charts(results_of(tmp_path))
    assert {value for _, value in points_of(chart).values()} == {MIOU}
    assert "theirs" not in str(chart.spec["layer"])
    assert "not comparable with the published ones, which are therefore left out" in chart.caption


def test_a_plot_is_the_same_whenever_it_is_made(tmp_path: Path) -> None:
    results = results_of(tmp_path)
    assert page_of(results, tmp_path) == page_of(results, tmp_path)


def test_the_library_is_in_the_page_only_where_something_is_drawn(tmp_path: Path) -> None:
    nothing = page_of(
        compare("paper", [selected(tmp_path / "no", run) for run in RUNS], published(), ASSUMED), tmp_path
    )
    assert nothing.count("<script") == 1
    assert len(nothing) < 60_000 < len(library()) < 1_000_000
    assert library() in page_of(results_of(tmp_path), tmp_path)


def losses(folder: Path, results: dict[str, Any]) -> Chart:
    """The plot of the curves."""
    chart = curves(results, published(results["scale"]), gather(results, folder, folder / "no page before"))
    assert chart
    return chart


def rows_of(chart: Chart, key: str) -> Counter[str]:
    """How many records a plot has of every run, of those that have a value of this kind."""
    return Counter(row["run"] for row in data_of(chart.spec) if key in row)


def test_all_runs_that_logged_a_curve_are_in_one_plot(tmp_path: Path) -> None:
    chart = losses(tmp_path, results_of(tmp_path))
    logged = ["voc_r50", "voc_r101", "cityscapes_r50", "cityscapes_r101"]
    assert rows_of(chart, "loss_coarse") == dict.fromkeys(logged, 8)
    assert chart.numbers
    first = ("voc_r50 (seed 0)", "8", "4.000 at 50", "0.500 at 400", "0.375", "0.125", "–")
    assert (first, len(logged)) == (chart.numbers.rows[0], len(chart.numbers.rows))
    assert chart.controls
    assert (list(chart.controls["shown"]), chart.controls["runs"]) == ([*LOSSES, "lr", "validation_miou"], logged)
    assert chart.caption == ""


def test_the_miou_while_training_is_drawn_if_it_was_looked_at(tmp_path: Path) -> None:
    run = selected(tmp_path)
    finish(run)
    results = compare("paper", [run], published(), ASSUMED)
    assert results["runs"][0]["validation"] == [[400, 41.5]]
    assert rows_of(losses(tmp_path, results), "validation_miou") == {"voc_r50": 1}
    results["runs"][0]["validation"] = []
    chart = losses(tmp_path, results)
    assert chart.controls
    assert list(chart.controls["shown"]) == [*LOSSES, "lr"]


NAME = "voc_r50-published/curve.json"


def curve(records: int) -> Curve:
    values = [4 / (index + 1) ** 0.3 + 0.05 * (index % 3) for index in range(records)]
    return Curve(60, 661, [50 * (index + 1) for index in range(records)], dict.fromkeys(LOSSES, values))


def audited(folder: Path) -> dict[str, Any]:
    """Results whose first training has a published log beside it."""
    results = results_of(folder)
    write_json(folder / NAME, asdict(curve(100)))
    results["runs"][0]["audit"] = {"agrees": True, "hashes": {"curve.json": sha256_file(folder / NAME)}}
    return results


def test_a_published_curve_and_its_band_are_drawn_with_ours(tmp_path: Path) -> None:
    results = audited(tmp_path)
    chart = losses(tmp_path, results)
    assert rows_of(chart, "low") == {"voc_r50": 100}
    assert "the published log" in chart.caption
    assert page_of(results, tmp_path).count(f'data-file="{NAME}"') == 1


def test_the_losses_of_the_original_are_beside_those_of_comparable_runs_of_the_demo(tmp_path: Path) -> None:
    runs = [selected(tmp_path, "voc_r50"), selected(tmp_path, "voc_r101", 0, "lr 1.0 (original 0.06)")]
    for run in runs:
        finish(run)
    chart = losses(tmp_path, compare("demo", runs, published("demo"), ASSUMED))
    assert rows_of(chart, "low") == {"voc_r50": 14}
    assert chart.numbers
    assert [row[-1] for row in chart.numbers.rows] == ["0 of 8", "–"]
    assert "the original's trainings" in chart.caption


def test_the_band_of_the_original_is_that_of_a_further_training() -> None:
    """By hand: s = sqrt(2), t(0.975, 1) = 12.7062, sqrt(1 + 1/2)."""
    losses = (((50, 1.0, 0.7, 0.3), (100, 2.0, 1.4, 0.6)), ((50, 3.0, 2.0, 1.0), (100, 2.0, 1.4, 0.6)))
    found = original_reference([OriginalTraining(seed=0, miou=80.0, iou={}, losses=rows) for rows in losses])
    assert found.points == ((50, 2.0), (100, 2.0))
    reach = 12.7062 * 3**0.5
    assert found.band == ((50, pytest.approx(2 - reach), pytest.approx(2 + reach)), (100, 2.0, 2.0))
    assert original_reference([]) == Reference()


def test_a_band_encloses_most_of_the_curve_that_it_is_of() -> None:
    found = reference(NAME, canonical_json(asdict(curve(100))).encode())
    assert [at for at, _ in found.points] == [at for at, *_ in found.band] == list(range(50, 5001, 50))
    inside = [low <= loss <= high for (_, loss), (_, low, high) in zip(found.points, found.band, strict=True)]
    assert sum(inside) > 90
    for records, ends in ((LEAST_RECORDS - 1, 0), (LEAST_RECORDS, LEAST_RECORDS)):
        assert len(reference(NAME, canonical_json(asdict(curve(records))).encode()).band) == ends


@pytest.mark.parametrize("content", [b"[]", b"{}", b"\xff", b'{"epochs": 1}'])
def test_what_is_no_curve_is_named(content: bytes) -> None:
    with pytest.raises(CheckFailed, match=r"voc_r50-published/curve\.json is not a curve"):
        reference(NAME, content)


@pytest.mark.parametrize(
    "content",
    [
        b"iteration,lr\n1,2\n",
        *(b"iteration,lr,loss,loss_point,loss_coarse\n1,2,%s,1,1\n" % loss for loss in (b"x", b"nan", b"-inf")),
        b"\xff",
    ],
)
def test_what_is_no_table_of_numbers_is_named(content: bytes) -> None:
    with pytest.raises(CheckFailed, match=r"voc/curve\.csv is not a table of numbers"):
        read_curve("voc/curve.csv", content)
