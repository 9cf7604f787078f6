"""`pointrend check`: what it prints and leaves, who reads that, and which mistakes it sees."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pointrend.check import compare, families
from pointrend.check.families import Difference, Place
from pointrend.checkout import numbers
from pointrend.checkout.machine import machine_record
from pointrend.cli import main
from pointrend.jobs import launch
from pointrend.jobs.run import checked_machine
from pointrend.model import pointrend, points
from pointrend.training import transforms
from tests.tiny import ROOT

CPU = torch.device("cpu")
Patch = pytest.MonkeyPatch


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: Patch) -> Path:
    """An empty checkout, in which the record of a check is not there yet."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "published").symlink_to(ROOT / "published")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return tmp_path


def test_this_machine_in_every_precision(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    table = capsys.readouterr().out
    assert max(map(len, table.splitlines()[:-1])) <= 80
    (path,) = (checkout / "logs/checks").iterdir()
    record = json.loads(path.read_text())
    rows = {(row["family"], row["precision"]): row for row in record["rows"] if row["device"] == "cpu"}
    assert len(rows) == 12
    assert all(row["met"] for row in rows.values())
    # bfloat16 is not float32 by another name.
    assert rows["losses", "bf16"]["difference"] > 10 * rows["losses", "float32"]["tolerance"]
    assert numbers.numbers_checked(checkout, machine_record(CPU)) == record["checked"]
    assert main(["check", "--unless-checked"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("precision", "found", "code", "words"),
    [
        ("float32", 2e-5, 3, "not met: losses, cpu, float32: second differs by 2e-05, tolerance 1e-05"),
        ("float32", float("nan"), 3, "second differs by nan"),
        ("bf16", 2e-5, 0, "not met: losses, cpu, bf16: second"),
    ],
)
def test_only_float32_decides(
    checkout: Path, monkeypatch: Patch, capsys: Any, precision: str, found: float, code: int, words: str
) -> None:
    found_by = {"losses": lambda place: [Difference("first", 9e-6, 1e-5), Difference("second", found, 1e-5)]}
    monkeypatch.setattr(compare, "FAMILIES", found_by)
    monkeypatch.setattr(compare, "places", lambda: [Place(CPU, precision)])
    monkeypatch.setattr(compare.rows, "__defaults__", (("losses",),))
    assert main(["check"]) == code
    printed = capsys.readouterr()
    assert words in printed.out
    assert ("float32 on cpu does not give the original's numbers" in printed.err) == (code == 3)
    met = numbers.numbers_checked(checkout, machine_record(CPU))
    assert (met is None) == (code == 3)


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({}, True),
        ({"machines": [machine_record(CPU) | {"threads": 99, "cores": 99}]}, True),
        ({"machines": [machine_record(CPU) | {"device": "NVIDIA A100"}]}, False),
        ({"machines": [machine_record(CPU) | {"torch": "2.0.0"}]}, False),
        ({"code": {"train": "0" * 64, "evaluate": "0" * 64}}, False),
        ({"met": False}, False),
        ({"machines": [machine_record(CPU) | {"instruction_sets": {}}]}, False),
    ],
)
def test_whose_check_counts(tmp_path: Path, change: dict[str, Any], counts: bool) -> None:
    record = {"machines": [machine_record(CPU)], "code": numbers.checked_code(), "met": True}
    other = numbers.check_file(tmp_path).with_name("another-node.json")
    other.parent.mkdir(parents=True)
    other.write_text(json.dumps({"checked": "2026-01-02 03:04:05", **record, **change}))
    (other.with_name("broken.json")).write_text("{")
    found = numbers.numbers_checked(tmp_path, machine_record(CPU))
    assert found == ("2026-01-02 03:04:05" if counts else None)


@pytest.mark.parametrize("scale", ["demo", "paper"])
def test_a_training_at_scale_paper_warns(tmp_path: Path, caplog: pytest.LogCaptureFixture, scale: str) -> None:
    training: Any = SimpleNamespace(project=SimpleNamespace(root=tmp_path), setting=SimpleNamespace(scale=scale))
    assert checked_machine(training, CPU)["numbers_checked"] is None
    assert len(caplog.messages) == (scale == "paper")


@pytest.mark.parametrize(
    ("scale", "job", "world", "checks"),
    [("paper", "7", "", 1), ("paper", "", "", 0), ("paper", "7", "4", 0), ("demo", "7", "", 0)],
)
def test_a_slurm_job_at_scale_paper_checks_first(
    checkout: Path, monkeypatch: Patch, scale: str, job: str, world: str, checks: int
) -> None:
    started: list[list[str]] = []

    def run(words: list[str], check: bool) -> SimpleNamespace:
        started.append(words)
        return SimpleNamespace(returncode=3)

    monkeypatch.setattr(launch, "subprocess", SimpleNamespace(run=run))
    monkeypatch.setattr("pointrend.commands.train.training_fingerprint", lambda *_: "f" * 64)
    monkeypatch.setattr("pointrend.commands.train.start_processes", lambda _: subprocess.sys.exit(9))
    monkeypatch.setattr("pointrend.jobs.run.run_training", lambda *_: subprocess.sys.exit(9))
    monkeypatch.setenv("SLURM_JOB_ID", job)
    monkeypatch.setenv("WORLD_SIZE", world)
    with pytest.raises(SystemExit) as ended:
        main(["--scale", scale, "train", "voc_r50"])
    assert ended.value.code == (3 if checks else 9)
    assert [words[-2:] for words in started] == [["check", "--unless-checked"]] * checks


def wrong_momentum(patch: Patch) -> None:
    patch.setattr(families, "PUBLISHED", families.PUBLISHED.model_copy(update={"momentum": 0.85}))


def wrong_decay(patch: Patch) -> None:
    patch.setattr(families, "PUBLISHED", families.PUBLISHED.model_copy(update={"weight_decay": 1e-4}))


def wrong_schedule(patch: Patch) -> None:
    patch.setattr(families, "PUBLISHED", families.PUBLISHED.model_copy(update={"poly_power": 1.0}))


def certain_points(patch: Patch) -> None:
    patch.setattr(points, "uncertainty", lambda logits: -logits.max(1).values)


def points_of_cell_centres(patch: Patch) -> None:
    exact = points.sample_points
    patch.setattr(pointrend, "sample_points", lambda maps, at: exact(maps, at + 0.5 / maps.shape[-1]))


def fewer_cells(patch: Patch) -> None:
    exact = points.least_certain_cells
    patch.setattr(pointrend, "least_certain_cells", lambda logits, count: exact(logits, min(count, 8192)))


def other_norms(patch: Patch) -> None:
    forward = nn.BatchNorm2d.forward
    patch.setattr(nn.BatchNorm2d, "forward", lambda norm, x: forward(norm, x) * (1 + 1e-4))


def stopped_gradient(patch: Patch) -> None:
    features = pointrend.PointRend.features
    patch.setattr(pointrend.PointRend, "features", lambda net, x: (features(net, x)[0].detach(), features(net, x)[1]))


def heavier_coarse_loss(patch: Patch) -> None:
    exact = pointrend.enlarged_cross_entropy
    patch.setattr(pointrend, "enlarged_cross_entropy", lambda *args: (1.0001 * exact(*args)[0], exact(*args)[1]))


def colours_rounded(patch: Patch) -> None:
    patch.setattr(transforms, "_grey_levels", lambda values: values.clip(0, 255).round().astype(np.uint8))


def ignored_counts(patch: Patch) -> None:
    patch.setattr(families, "IGNORE", 0)


MISTAKES = {
    wrong_momentum: "trajectory",
    wrong_decay: "trajectory",
    wrong_schedule: "trajectory",
    certain_points: "points",
    points_of_cell_centres: "losses",
    fewer_cells: "points",
    other_norms: "forward",
    stopped_gradient: "gradients",
    heavier_coarse_loss: "losses",
    colours_rounded: "transforms",
    ignored_counts: "metric",
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_a_mistake_is_seen(mistake: Callable[[Patch], None], monkeypatch: Patch) -> None:
    mistake(monkeypatch)
    (row,) = compare.rows(Place(CPU, "float32"), [MISTAKES[mistake]])
    assert not row.met
