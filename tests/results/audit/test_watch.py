"""The losses of published logs as curves, and a training that is compared with them while it runs."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointrend.checkout.code_digest import code_files
from pointrend.errors import AuditError
from pointrend.results.audit.curves import RECENT, Curve, band
from pointrend.results.audit.logs import read_log
from pointrend.results.audit.watch import published_curve, watch_training
from pointrend.settings.project import Project
from tests.results.audit.samples import LOGS, ROOT, S21, text_of

Logged = pytest.LogCaptureFixture
LOG_FILE = "pointrend_resnet50os8_voc_train.log"
VOC = {"epochs": 60, "iterations_per_epoch": 661}


def curve_of(folder: Path, text: str) -> Curve:
    path = folder / "a.log"
    path.write_text(text)
    return published_curve(read_log(path))


def test_the_sample_as_a_curve() -> None:
    curve = published_curve(read_log(LOGS / S21))
    assert (curve.epochs, curve.iterations_per_epoch) == (60, 661)
    assert curve.iterations == list(range(50, 2001, 50))
    assert [curve.losses[name][0] for name in ("loss", "loss_point", "loss_coarse")] == [2.1805, 1.4559, 0.7246]
    low, high = band(curve.losses["loss"])
    assert len(low) == len(high) == 40
    assert np.mean((low <= curve.losses["loss"]) & (curve.losses["loss"] <= high)) > 0.9


def test_of_iterations_done_again_the_last_attempt_counts(tmp_path: Path) -> None:
    """A log that goes on from an epoch after records beyond it, and another log joined to the first."""
    text = text_of(S21)
    lines = text.splitlines(keepends=True)
    (second,) = (number for number, line in enumerate(lines) if "Start epoch 2..." in line)
    again = "".join(lines[:2]) + "".join(lines[second:]).replace(
        "loss_cls 1.2142, total 1.8106", "loss_cls 1.1142, total 1.7106"
    )
    resumed = curve_of(tmp_path, text + again)
    assert resumed.iterations == list(range(50, 2001, 50))
    assert resumed.losses["loss"][13] == 1.7106
    assert resumed.losses["loss"][12] == 1.8340
    abandoned = curve_of(tmp_path, text + "".join(lines[:9]))
    assert abandoned.iterations == [50, 100]


def test_records_without_a_finite_loss_are_left_out(tmp_path: Path) -> None:
    spoilt = text_of(S21).replace("loss_cls 1.4120, total 2.1047", "loss_cls nan, total nan")
    assert curve_of(tmp_path, spoilt).iterations == [50, *range(150, 2001, 50)]


def test_a_log_of_another_network_is_named(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="line 6 does not have the losses total, loss_cls, loss_aux"):
        curve_of(tmp_path, text_of(S21).replace("loss_cls", "loss_other"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A checkout at paper scale that has fetched one log."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    found = Project.load(tmp_path / "params.yaml", "paper")
    log = found.fetched_file("log_voc_r50", LOG_FILE)
    log.parent.mkdir(parents=True)
    shutil.copy(LOGS / S21, log)
    return found


def records(factor: float = 1.0, since: int = 0) -> list[dict[str, Any]]:
    """Ours: those of the sample, times ``factor`` from an iteration on."""
    curve = published_curve(read_log(LOGS / S21))
    return [
        {"iteration": iteration}
        | {name: values[place] * (factor if iteration > since else 1) for name, values in curve.losses.items()}
        for place, iteration in enumerate(curve.iterations)
    ]


@pytest.fixture
def warned(project: Project, caplog: Logged) -> Callable[[list[dict[str, Any]]], list[str]]:
    """What is warned of while records are watched."""

    def warnings(shown: list[dict[str, Any]]) -> list[str]:
        watch = watch_training(project, "voc_r50", **VOC, start=shown[0]["iteration"] - 50)
        assert watch is not None
        for record in shown:
            watch(record)
        return [record.message for record in caplog.records if record.levelno == logging.WARNING]

    return warnings


def test_a_training_that_leaves_the_log_is_warned_of_within_fifteen_records(warned: Any) -> None:
    """Twice the published losses are far outside, and one warning per loss is enough."""
    assert warned(records()) == []
    shown = warned(records(factor=2, since=500))
    assert sorted(line.split()[0] for line in shown) == ["loss", "loss_coarse", "loss_point"]
    for line in shown:
        assert "above the band of the published curve for long, as of iteration " in line
        assert 500 < int(line.rpartition(" ")[2]) <= 500 + 50 * RECENT


def test_a_training_that_comes_back_is_warned_of_too(warned: Any) -> None:
    shown = warned(records(factor=2)[:15] + records()[15:])
    assert [line for line in shown if line.startswith("loss is back in the band of the published curve")]


def test_a_resumed_training_is_watched_from_there(warned: Any) -> None:
    assert len(warned(records(factor=2)[30:])) == 3


def test_records_over_other_iterations_are_not_compared(warned: Any) -> None:
    """log_every 25: every second record has the iteration of a published one, but is a mean over half of it."""
    doubled = [record | {"iteration": record["iteration"] - 25} for record in records(factor=2)]
    assert warned([record for pair in zip(doubled, records(factor=2), strict=True) for record in pair]) == []


@pytest.mark.parametrize(
    ("run", "schedule"), [("voc_r50", {"epochs": 1}), ("voc_r50", {"iterations_per_epoch": 50}), ("voc_r101", {})]
)
def test_without_a_log_of_this_schedule_nothing_is_watched(
    project: Project, caplog: Logged, run: str, schedule: dict[str, int]
) -> None:
    assert watch_training(project, run, **(VOC | schedule), start=0) is None
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("text", ["", "no log\n", text_of(S21)[:1500]])
def test_a_log_that_cannot_be_used_stops_nothing(project: Project, caplog: Logged, text: str) -> None:
    project.fetched_file("log_voc_r50", LOG_FILE).write_text(text)
    assert watch_training(project, "voc_r50", **VOC, start=0) is None
    (record,) = caplog.records
    assert record.message.startswith("the losses are not compared with the published log: ")


def test_a_change_of_the_band_does_not_retrain() -> None:
    names = {str(path.relative_to(ROOT / "pointrend")) for path in code_files("train")}
    assert not [name for name in names if name.startswith(("audit/", "losses/", "results/"))]
