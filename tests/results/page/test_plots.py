from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from pointrend.errors import CheckFailed
from pointrend.files import canonical_json, sha256_file, write_json
from pointrend.results.audit.curves import LEAST_RECORDS, LOSSES, Curve
from pointrend.results.compare import compare
from pointrend.results.page.curves import Reference, original_reference, read_curve, reference, thinned
from pointrend.results.page.plot import Scale, enclosing, number, tick_text, together
from pointrend.results.page.score_plot import score_plots
from pointrend.settings.definition import OriginalTraining
from tests.results.pages import page_of
from tests.results.runs import ASSUMED, MIOU, RUNS, finish, published, results_of, selected


def test_a_scale_maps_its_ends_and_what_lies_between() -> None:
    scale = Scale(0, 10, 200, 100)
    assert [scale(value) for value in (0, 5, 10)] == [200, 150, 100]


@pytest.mark.parametrize(
    ("low", "high", "about", "expected"),
    [(0, 10, 5, [0, 2, 4, 6, 8, 10]), (-2, 2, 4, [-2, -1, 0, 1, 2]), (57.6, 87.9, 7, [60, 65, 70, 75, 80, 85])],
)
def test_ticks_are_round(low: float, high: float, about: int, expected: list[float]) -> None:
    assert Scale(low, high, 0, 1).ticks(about) == pytest.approx(expected)


@pytest.mark.parametrize(("values", "ends"), [([57.6, 87.9], (50, 90)), ([0.0, 3.1], (0, 4)), ([5, 5], (5, 5))])
def test_a_scale_ends_at_round_numbers(values: list[float], ends: tuple[float, float]) -> None:
    scale = enclosing(values, 0, 1, 6 if values[0] > 50 else 4)
    assert (scale.low, scale.high) == pytest.approx(ends)
    assert scale.high > scale.low


@pytest.mark.parametrize(
    ("written", "words"),
    [
        *(
            (tick_text(value), words)
            for value, words in {0.05: "0.05", 40000: "40k", -1.5: "−1.5", 1e-5: "1e−05"}.items()
        ),
        *((number(value), words) for value, words in {1.0: "1", -0.001: "0", 120: "120", 3.14159: "3.14"}.items()),
    ],
)
def test_ticks_and_coordinates_have_no_needless_digits(written: str, words: str) -> None:
    assert written == words


def test_thinning_keeps_the_mean_and_the_order() -> None:
    assert thinned([1, 2, 3], 3) == [1, 2, 3]
    assert thinned([1, 3, 5, 7, 9], 3) == [2, 6, 9]
    assert thinned([], 3) == []
    assert len(thinned(list(range(3285)))) <= 200


def plots_of(results: dict[str, Any]) -> str:
    """Drawings, legends and captions of the score plots."""
    figures = score_plots(results)
    return "".join(together([*(mark for mark, _ in one.marks), one.drawing, one.caption]) for one in figures)


def circles(page: str, style: str) -> list[tuple[float, float]]:
    return [
        (float(x), float(y))
        for x, y in re.findall(rf'<circle cx="([\d.]+)" cy="([\d.]+)" r="\d\.?\d*" class="{style}"', page)
    ]


def test_comparable_scores_are_drawn_as_differences(tmp_path: Path) -> None:
    runs = [selected(tmp_path, run) for run in RUNS[:2]]
    finish(runs[0])
    plots = plots_of(compare("paper", runs, published(), ASSUMED))
    (ours,) = circles(plots, "ours")[1:]
    found = re.findall(r'<text x="([\d.]+)"[^>]*>([+−]?\d+)</text>', plots)
    ticks = {float(at.replace("−", "-")): float(x) for x, at in found}
    assert ours[0] == pytest.approx(Scale(-20, 20, ticks[-20], ticks[20])(MIOU - 69.84), abs=0.02)
    assert plots.count('class="theirs"') == 1 + 2
    assert plots.count('class="seeds"') == 2 * 3
    assert "voc_r50 (seed 0): published 69.84%, ours 48.86%, difference −20.98, below" in plots
    assert "voc_r101 (seed 0): published 72.31%, not run" in plots
    assert "Not comparable" not in plots


def test_what_is_not_comparable_has_its_own_plot_without_the_published_values(tmp_path: Path) -> None:
    plots = plots_of(results_of(tmp_path))
    assert 'class="theirs"' not in plots
    assert "published 69.84%" not in plots
    assert len(circles(plots, "ours hollow")) == 1 + 4
    assert "the distance between the two would mean nothing" in plots


def test_nothing_scored_leaves_the_published_values(tmp_path: Path) -> None:
    plots = plots_of(compare("paper", [selected(tmp_path, run) for run in RUNS], published(), ASSUMED))
    assert plots.count('class="theirs"') == 1 + 6
    assert plots.count(">not run</text>") == 6


def test_a_curve_is_drawn_for_every_run_that_logged_one(tmp_path: Path) -> None:
    page = page_of(results_of(tmp_path), tmp_path)
    assert re.findall(r'<title id="curve-([\w-]+)-title">', page) == [
        *("voc_r50-s0", "voc_r101-s0", "cityscapes_r50-s0", "cityscapes_r101-s0")
    ]
    assert "The total loss goes from 4 at iteration 50 to 0.5 at iteration 400. 8 records." in page
    for style in ("loss", "loss_point", "loss_coarse", "rate"):
        lines = re.findall(rf'<polyline points="([^"]*)" class="curve {style}"', page)
        assert [len(line.split()) for line in lines] == [8] * 4


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


def test_a_published_curve_and_its_band_are_drawn_under_ours(tmp_path: Path) -> None:
    assert "published log" not in page_of(results_of(tmp_path), tmp_path)
    page = page_of(audited(tmp_path), tmp_path)
    assert page.count(f'data-file="{NAME}"') == 1
    (line,) = re.findall(r'<polyline points="([^"]*)" class="curve reference"', page)[1:]  # after that of the key
    (band,) = re.findall(r'<polygon points="([^"]*)" class="reference-band"', page)
    assert (len(line.split()), len(band.split())) == (100, 200)
    assert "published log" in page


def test_the_losses_of_the_original_are_under_those_of_comparable_runs_of_the_demo(tmp_path: Path) -> None:
    runs = [selected(tmp_path, "voc_r50"), selected(tmp_path, "voc_r101", 0, "lr 1.0 (original 0.06)")]
    for run in runs:
        finish(run)
    page = page_of(compare("demo", runs, published("demo"), ASSUMED), tmp_path)
    (band,) = re.findall(r'<polygon points="([^"]*)" class="reference-band"', page)
    assert len(band.split()) == 2 * 14
    assert re.findall(r"8 records\.(?: (\d) of 8 are in the band\.)?<", page) == ["0", ""]
    assert "expected of a further training of it, 95 %" in page
    assert "published log" not in page


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
    "content", [b"iteration,lr\n1,2\n", b"iteration,lr,loss,loss_point,loss_coarse\n1,2,x,1,1\n", b"\xff"]
)
def test_what_is_no_table_of_numbers_is_named(content: bytes) -> None:
    with pytest.raises(CheckFailed, match=r"voc/curve\.csv is not a table of numbers"):
        read_curve("voc/curve.csv", content)
