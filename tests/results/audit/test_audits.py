"""A published log beside our figures: evidence where nothing was scored, and reasons where it differs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from pointrend.errors import CheckFailed
from pointrend.files import sha256_file, write_json
from pointrend.results.audit.curves import LOSSES, Curve
from pointrend.results.run_files import SelectedRun
from tests.results.audit.curves import curve
from tests.results.runs import edit, finish, released, rows_of, selected

PUBLISHED = curve(np.random.default_rng(0), 100)


def audit(run: SelectedRun, agrees: bool = True) -> Path:
    """Write what an audit leaves; the folder."""
    folder = run.folder.with_name(f"{run.run}-published")
    write_json(folder / "curve.json", asdict(PUBLISHED))
    found = {
        "run": run.run,
        "agrees": agrees,
        "first_difference": None if agrees else "a.log line 6: epochs 61, ours 60",
        "files": {"a.log": {"bytes": 1, "sha256": "f" * 64}},
        "curve_sha256": sha256_file(folder / "curve.json"),
    }
    write_json(folder / "audit.json", found | {"records": 100})
    return folder


def trained(run: SelectedRun, losses: Curve) -> None:
    """Finish a run with the losses of a curve."""
    finish(run)
    rows = zip(losses.iterations, *(losses.losses[name] for name in LOSSES), strict=True)
    lines = [json.dumps(dict(zip(("iteration", *LOSSES), row, strict=True))) for row in rows]
    lines.insert(3, '{"iteration": 150, "epoch": 1, "validation_miou": 41.5}')
    (run.folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    curves = {name: sha256_file(run.folder / name) for name in ("metrics.jsonl", "curve.csv")}
    edit(run, "train.json", iterations_per_epoch=661, curves=curves)


def test_a_log_that_agrees_is_evidence_where_nothing_was_scored(tmp_path: Path) -> None:
    not_run, scored, other = selected(tmp_path), selected(tmp_path, seed=1), selected(tmp_path, "voc_r101")
    finish(other)
    trained(scored, PUBLISHED)
    folder = audit(not_run)
    rows = rows_of(not_run, scored, other)
    assert [row["evidence"] for row in rows] == ["log", "one-seed", "one-seed"]
    assert [row["reasons"] for row in rows] == [[], [], []]
    assert rows[0]["audit"] == {
        "agrees": True,
        "first_difference": None,
        "files": {"a.log": {"bytes": 1, "sha256": "f" * 64}},
        "hashes": {name: sha256_file(folder / name) for name in ("audit.json", "curve.json")},
    }
    assert rows[2]["audit"] is rows[2]["curve"] is rows[0]["curve"] is None


def test_a_log_that_differs_is_a_reason_and_no_evidence(tmp_path: Path) -> None:
    run = selected(tmp_path, "voc_r50", 0, "archives pins-12345678")
    audit(run, agrees=False)
    (row,) = rows_of(run)
    assert (row["evidence"], row["verdict"]) == ("inputs", "not run")
    different = "its published log or config differs from our recipe: a.log line 6: epochs 61, ours 60"
    assert row["reasons"] == ["archives pins-12345678", different]


def test_our_losses_are_compared_with_the_published_ones(tmp_path: Path) -> None:
    same, higher, shorter = (selected(tmp_path, seed=seed) for seed in range(3))
    audit(same)
    trained(same, PUBLISHED)
    trained(higher, curve(np.random.default_rng(1), 100, shift=8, since=40))
    trained(shorter, Curve(60, 661, [7], {name: [1.0] for name in LOSSES}))
    *rows, seeds = rows_of(same, higher, shorter)
    assert (seeds["kind"], seeds["curve"], seeds["evidence"]) == ("seeds", None, "seeds")
    assert (rows[0]["curve"]["records"], rows[0]["curve"]["departures"]) == (100, [])
    assert min(rows[0]["curve"]["inside"].values()) >= 0.9
    assert rows[0]["reasons"] == []
    assert rows[1]["curve"]["inside"]["loss"] < 0.5
    left = rows[1]["curve"]["departures"][0]
    assert 40 * 50 < left["iteration"] <= 55 * 50
    place = f"was for long above the published curve's band, first seen at iteration {left['iteration']}"
    assert rows[1]["reasons"] == [f"its {left['loss']} {place}"]
    assert rows[2]["curve"] is None


@pytest.mark.parametrize("name", ["curve.json", "audit.json"])
def test_files_of_an_audit_that_do_not_belong_together_are_named(tmp_path: Path, name: str) -> None:
    folder = audit(selected(tmp_path))
    write_json(folder / name, {"run": "voc_r50"})
    with pytest.raises(CheckFailed, match=name):
        rows_of(selected(tmp_path))


@pytest.mark.parametrize("scored", [False, True])
def test_a_log_says_nothing_of_the_released_weights(scored: bool, tmp_path: Path) -> None:
    release = released(tmp_path)
    if scored:
        finish(release)
    audit(release, agrees=False)
    (row,) = rows_of(release)
    assert (row["audit"], row["curve"], row["reasons"]) == (None, None, [])
    assert row["evidence"] == ("released" if scored else "inputs")
