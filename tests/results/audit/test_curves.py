"""Curves of losses, the band around them, and when a training leaves it for long."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from pointrend.results.audit.curves import (
    LEAST_RECORDS,
    LOSSES,
    Change,
    Curve,
    Watch,
    band,
    compare_curves,
    read_curve,
    trained_curve,
)
from tests.results.audit.curves import SCATTER, curve

FLAT = Curve(60, 661, [50 * (place + 1) for place in range(60)], {name: [1.0] * 60 for name in LOSSES})
INSIDE, ABOVE, BELOW = 1.0, 2.0, 0.5


def changes(values: list[float]) -> list[Change]:
    """What a watch of the flat curve says of these total losses; the other losses lie inside."""
    watch = Watch(FLAT)
    found = []
    for iteration, value in zip(FLAT.iterations, values, strict=False):
        found += watch.take(iteration, {"loss": value, "loss_point": INSIDE, "loss_coarse": INSIDE})
    return found


@pytest.mark.parametrize(("value", "side"), [(ABOVE, "above"), (BELOW, "below")])
def test_ten_of_fifteen_records_on_one_side_are_long(value: float, side: str) -> None:
    assert changes([INSIDE] * 5 + [value] * 9 + [INSIDE] * 20) == []
    assert changes([INSIDE] * 5 + [value] * 10) == [Change("loss", side, 15 * 50, left=True)]
    scattered = ([value] * 2 + [INSIDE]) * 5
    assert changes(scattered) == [Change("loss", side, 14 * 50, left=True)]


def test_records_on_both_sides_are_not_long() -> None:
    assert changes([ABOVE, BELOW] * 25) == []


def test_it_is_said_once_and_again_when_the_loss_is_back() -> None:
    found = changes([ABOVE] * 20 + [INSIDE] * 13)
    assert found == [Change("loss", "above", 500, left=True), Change("loss", "above", 1650, left=False)]
    assert str(found[0]) == "loss has been above the band of the published curve for long, as of iteration 500"
    assert str(found[1]) == "loss is back in the band of the published curve, as of iteration 1650"


def test_a_curve_equal_to_the_published_one_never_leaves() -> None:
    published = curve(np.random.default_rng(0))
    found = compare_curves(published, published)
    assert found is not None
    assert found["records"] == 793
    assert found["departures"] == []
    assert min(found["inside"].values()) > 0.97


@pytest.mark.parametrize("noise", ["normal", "heavy", "sluggish"])
def test_false_alarms_are_rare(noise: str) -> None:
    """docs/audit.md: of trainings of one recipe, hardly any is warned of, whatever its scatter is like."""
    rng = np.random.default_rng(5)
    found = [compare_curves(curve(rng, noise=noise), curve(rng, noise=noise)) for _ in range(20)]
    assert sum(bool(result and result["departures"]) for result in found) <= (3 if noise == "sluggish" else 0)
    assert np.mean([result["inside"]["loss"] for result in found if result]) > 0.95


@pytest.mark.parametrize("shift", [5.0, -5.0])
def test_a_shift_of_five_scatters_is_seen_within_fifteen_records(shift: float) -> None:
    rng = np.random.default_rng(2)
    for _ in range(10):
        found = compare_curves(curve(rng, shift=shift, since=300), curve(rng))
        assert found is not None
        for name in LOSSES:
            first = next(change for change in found["departures"] if change["loss"] == name)
            assert first["side"] == ("above" if shift > 0 else "below")
            assert 300 < first["iteration"] // 50 <= 300 + 15


def test_another_schedule_is_not_compared() -> None:
    published = curve(np.random.default_rng(0))
    for other in ({"epochs": 61}, {"iterations_per_epoch": 662}):
        assert compare_curves(replace(published, **other), published) is None
    assert compare_curves(replace(published, iterations=[1, 2]), published) is None
    short = Curve(60, 661, [50], {name: [1.0] for name in LOSSES})
    assert compare_curves(short, short) is None


def test_our_records_count_where_they_are_means_over_what_published_ones_are() -> None:
    """Not the last record of a training, nor those of another log_every."""
    iterations = [50, 100, 110, 150, 200, 250, 277]
    lines = [json.dumps({"iteration": i, "loss": i, "loss_point": 1.0, "loss_coarse": 2.0}) for i in iterations]
    found = trained_curve("\n".join(lines).encode(), 3, 90)
    assert found.iterations == found.losses["loss"] == [50, 100, 200, 250]
    assert (found.epochs, found.iterations_per_epoch) == (3, 90)


def test_a_curve_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "curve.json").write_text(json.dumps(asdict(FLAT)))
    assert read_curve(tmp_path / "curve.json") == FLAT


def test_a_straight_fall_in_logarithms_has_itself_as_its_centre() -> None:
    values = np.exp(np.linspace(1, -1, 200))
    low, high = band(values.tolist())
    np.testing.assert_allclose(np.sqrt(low * high), values, rtol=1e-9)
    np.testing.assert_allclose(high / low, np.exp(6e-4), rtol=1e-6)  # The smallest scatter, three times up and down.


def test_the_band_is_three_scatters_wide_to_either_side() -> None:
    rng = np.random.default_rng(0)
    reaches = []
    for _ in range(20):
        low, high = band(curve(rng).losses["loss"])
        reaches.append(np.log(high / low).mean() / 2)
    assert np.mean(reaches) == pytest.approx(3 * SCATTER, rel=0.06)


def test_odd_records_do_not_move_the_band() -> None:
    values = curve(np.random.default_rng(1)).losses["loss"]
    before = band(values)
    for record in (200, 207, 400):
        values[record] *= 30
    assert np.abs(np.log(np.divide(band(values), before))).max() < 2 * SCATTER


def test_the_band_does_not_follow_a_single_record_where_the_curve_falls_steeply() -> None:
    values = np.exp(np.linspace(0, -3, 60))
    before = band(values.tolist())
    values[30] *= 1.2
    for ends, moved in zip(before, band(values.tolist()), strict=True):
        assert moved[30] == pytest.approx(ends[30], rel=0.01)


def test_a_loss_of_zero_has_a_band_and_a_short_curve_has_none() -> None:
    low, high = band([0.0] * LEAST_RECORDS)
    assert np.isfinite(low).all()
    assert (high >= low).all()
    with pytest.raises(ValueError, match="20 records are too few for a band"):
        band([1.0] * (LEAST_RECORDS - 1))
