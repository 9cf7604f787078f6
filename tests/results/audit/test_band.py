from __future__ import annotations

import numpy as np
import pytest

from pointrend.results.audit.curves import LEAST_RECORDS, band
from tests.results.audit.curves import SCATTER, curve


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
    low, high = band(values)
    for record in (200, 207, 400):
        values[record] *= 30
    spoilt_low, spoilt_high = band(values)
    assert np.abs(np.log(spoilt_low / low)).max() < 2 * SCATTER
    assert np.abs(np.log(spoilt_high / high)).max() < 2 * SCATTER


def test_the_band_does_not_follow_a_single_record_where_the_curve_falls_steeply() -> None:
    values = np.exp(np.linspace(0, -3, 60))
    before = band(values.tolist())
    values[30] *= 1.2
    for ends, moved in zip(before, band(values.tolist()), strict=True):
        assert moved[30] == pytest.approx(ends[30], rel=0.01)


def test_a_loss_of_zero_has_a_band() -> None:
    low, high = band([0.0] * 30)
    assert np.isfinite(low).all()
    assert (high >= low).all()


def test_a_short_curve_has_none() -> None:
    assert len(band([1.0] * LEAST_RECORDS)[0]) == LEAST_RECORDS
    with pytest.raises(ValueError, match="20 records are too few for a band"):
        band([1.0] * (LEAST_RECORDS - 1))
