"""The losses of a published log under ours, in the page and carried by it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from pointrend.errors import CheckFailed
from pointrend.files import canonical_json, sha256_file, write_json
from pointrend.results.audit.curves import LEAST_RECORDS, LOSSES, Curve
from pointrend.results.page.published_curves import reference
from tests.results.pages import page_of
from tests.results.runs import results_of

NAME = "voc_r50-published/curve.json"


def curve(records: int) -> Curve:
    values = [4 / (index + 1) ** 0.3 + 0.05 * (index % 3) for index in range(records)]
    return Curve(60, 661, [50 * (index + 1) for index in range(records)], dict.fromkeys(LOSSES, values))


def test_a_band_encloses_most_of_the_curve_that_it_is_of() -> None:
    found = reference(NAME, canonical_json(asdict(curve(100))).encode())
    assert [at for at, _ in found.points] == [at for at, *_ in found.band] == list(range(50, 5001, 50))
    inside = [low <= loss <= high for (_, loss), (_, low, high) in zip(found.points, found.band, strict=True)]
    assert sum(inside) > 90


@pytest.mark.parametrize(("records", "ends"), [(LEAST_RECORDS - 1, 0), (LEAST_RECORDS, LEAST_RECORDS)])
def test_a_short_curve_has_no_band(records: int, ends: int) -> None:
    assert len(reference(NAME, canonical_json(asdict(curve(records))).encode()).band) == ends


@pytest.mark.parametrize("content", [b"[]", b"{}", b"\xff", b'{"epochs": 1}'])
def test_what_is_no_curve_is_named(content: bytes) -> None:
    with pytest.raises(CheckFailed, match=r"voc_r50-published/curve\.json is no curve"):
        reference(NAME, content)


def audited(folder: Path) -> dict[str, Any]:
    """Results whose first training has a published log beside it."""
    results = results_of(folder)
    write_json(folder / NAME, asdict(curve(100)))
    results["runs"][0]["audit"] = {"agrees": True, "hashes": {"curve.json": sha256_file(folder / NAME)}}
    return results


def test_the_page_draws_and_carries_it(tmp_path: Path) -> None:
    assert "published log" not in page_of(results_of(tmp_path), tmp_path)
    page = page_of(audited(tmp_path), tmp_path)
    assert page.count('class="curve reference"') == 2  # in the key, and under the one training
    assert page.count(f'data-file="{NAME}"') == 1


def test_another_curve_than_the_audited_one_is_named(tmp_path: Path) -> None:
    results = audited(tmp_path)
    write_json(tmp_path / NAME, asdict(curve(99)))
    with pytest.raises(CheckFailed, match=r"curve\.json is not the one that results\.json names"):
        page_of(results, tmp_path)
