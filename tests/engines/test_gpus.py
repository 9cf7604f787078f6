"""`plan --gpu`: hours and memory from counted FLOPs, without what is finished."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointrend.cli import main
from pointrend.engines import gpus
from pointrend.engines.gpus import GPUS, Gpu, gpu_hours
from pointrend.jobs.cost import StepCost
from pointrend.settings.project import Project
from tests.tiny import ROOT

COST = {"voc_r50": StepCost(flops=1e12, image_bytes=1e9, state_bytes=0.5e9)}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.setitem(GPUS, "X", Gpu(10, 20, 40, 6, "made up"))
    return Project.load(tmp_path / "params.yaml", "paper")


def row(project: Project) -> list[str]:
    """The words of the run's line."""
    return next(
        line.split() for line in "\n".join(gpu_hours(project, "X", COST)).splitlines() if line.startswith("voc_r50")
    )


@pytest.mark.parametrize(
    ("precision", "hours", "needs"),
    [("float32", "35-88", "2-5/s"), ("tf32", "18-44", "4-10/s"), ("bf16", "8.8-22", "8-20/s")],
)
def test_hours_follow_from_flops_and_peak(project: Project, precision: str, hours: str, needs: str) -> None:
    """39660 iterations of 16 images, 1 TFLOP each: 35 hours at half of 10 TFLOPS."""
    chosen = Project(project.root, project.params, (f"precision={precision}",))
    assert row(chosen) == ["voc_r50", "1000", "39660", hours, "6.0", needs, "–"]


def test_a_gpu_with_too_little_memory_is_named(project: Project) -> None:
    assert row(Project(project.root, project.params, ("gpus=2",)))[-3:] == ["too", "little", "memory"]


def test_what_is_finished_is_left_out(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "training_fingerprint", lambda *_: "f" * 64)
    folder = project.checkpoint_folder("voc_r50", 0, "f" * 64)
    folder.mkdir(parents=True)
    for name in ("000000100-000001", "000039000-000002"):
        (folder / f"{name}.json").touch()
    (folder / "attempts.json").touch()
    assert row(project)[2] == "660"
    monkeypatch.setattr(gpus.Records, "fault", lambda *_: None)
    assert row(project)[2:4] == ["0", "0.0-0.0"]


def test_an_unknown_gpu(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--params", str(project.root / "params.yaml"), "plan", "--gpu", "A10"]) == 2
    assert "there is no GPU 'A10' (did you mean 'A100'?); choose from A100, " in capsys.readouterr().err
