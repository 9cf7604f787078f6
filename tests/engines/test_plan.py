"""The verb ``plan``: hours and disk from the time of a step."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pointrend.cli import main
from pointrend.engines.estimates import cost, typed_step_times
from pointrend.engines.measured import sample_times, step_times
from pointrend.engines.plan import NO_STEPS, duration
from pointrend.files import write_json
from pointrend.settings.project import Project

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project() -> Project:
    """At the scale of the published recipe."""
    return Project.load(ROOT / "params.yaml", "paper")


def test_hours_follow_from_iterations_and_processes(project: Project) -> None:
    found = cost(project.setting("voc_r50"), 39660, 200.0)
    assert found.hours == pytest.approx(39660 * 0.2 / 3600)
    assert found.gpu_hours == pytest.approx(4 * found.hours)
    assert found.samples_a_second == pytest.approx(20.0)
    assert 0.4 < found.disk_gb < 0.5


def test_a_runs_own_step_time_wins_over_its_backbones(project: Project) -> None:
    times = typed_step_times(project, ["r50=100", "voc_r50=120"])
    assert times == {"voc_r50": 120.0, "ade20k_r50": 100.0, "cityscapes_r50": 100.0}


def test_disk_follows_from_counts_and_form(project: Project) -> None:
    pixels = (10582 + 1449) * project.params.datasets["voc"].about_megapixels * 1e6
    assert project.prepared_bytes("voc", "raw") == pytest.approx(4 * pixels)
    assert project.prepared_bytes("voc", "compact") == pytest.approx(2 * pixels)
    (_, sbd) = project.archives_of("voc")
    assert project.about_bytes(sbd) == pytest.approx(1.4e9)
    assert project.about_bytes(sbd.model_copy(update={"bytes": 5})) == 5


@pytest.mark.parametrize(
    ("hours", "text"), [(26.04, "26.0 h"), (1, "1.0 h"), (0.99, "59 min"), (1 / 60, "1 min"), (0.001, "<1 min")]
)
def test_less_than_an_hour_is_given_in_minutes(hours: float, text: str) -> None:
    assert duration(hours) == text


def test_the_loaders_rate_is_that_of_the_newest_record(tmp_path: Path) -> None:
    def figure(milliseconds: float, dataset: str = "voc") -> dict:
        return {"facts": {"dataset": dataset}, "count": 10, "timings": {"fast": {"cpu_s": milliseconds / 100}}}

    assert sample_times(tmp_path) == {}
    for name, figures in {
        "loader_z_2024-01-02.json": [figure(9)],
        "loader_a_2025-03-04.json": [figure(2), figure(5), figure(3, "ade20k")],
    }.items():
        write_json(tmp_path / name, {"figures": figures})
    assert sample_times(tmp_path) == pytest.approx({"voc": 2.0, "ade20k": 3.0})


def test_plan_prints_hours_where_a_step_time_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--params", str(ROOT / "params.yaml"), "--scale", "paper", "plan", "--step-ms", "voc_r101=360"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith("voc_r101") and " 360 " in line]
    assert line.split()[1:6] == ["360", "4.0", "h", "15.9", "h"]
    assert "steps: --step-ms" in lines


@pytest.mark.parametrize(
    ("scale", "words"), [("demo", "CPU      8"), ("paper", "together                        about 73.39 GB")]
)
def test_plan_ends_with_what_to_type_next(scale: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--params", str(ROOT / "params.yaml"), "--scale", scale, "plan"]) == 0
    plan, _, following = capsys.readouterr().out.partition("\nnext\n")
    assert words in plan
    assert f"  snakemake --cores all --config scale={scale} " in following
    assert ("--step-ms" in following) == (scale == "paper")


GPU, CPU = "NVIDIA X 100", "A CPU"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A root with params.yaml and the records of two GPUs and a CPU."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "published", tmp_path / "published")
    for name, date, run, images, milliseconds in [
        (GPU, "2026-01-02", "voc_r50", 4, 200.0),
        (GPU, "2025-12-31", "voc_r50", 4, 500.0),
        ("NVIDIA Y", "2026-03-01", "voc_r50", 4, 90.0),
        (CPU, "2026-01-01", "voc_r101", 2, 3000.0),
    ]:
        facts = {"run": run, "images": images, "crop_size": [512, 512], "width": 64}
        figures = [{"facts": {}}, {"facts": facts, "milliseconds": {"fast": milliseconds}}]
        record = {"machine": {"name": name, "processor": CPU}, "figures": figures}
        write_json(tmp_path / "benchmarks" / f"step_{name.lower().replace(' ', '-')}_{date}.json", record)
    return tmp_path


def measured(root: Path, scale: str, machine: str) -> tuple[dict[str, float], str | None]:
    times, path = step_times(Project.load(root / "params.yaml", scale), {machine})
    return times, path and path.name


def test_the_step_is_that_of_this_machines_newest_record(checkout: Path) -> None:
    assert measured(checkout, "paper", GPU) == ({"voc_r50": 200.0}, "step_nvidia-x-100_2026-01-02.json")
    assert measured(checkout, "paper", "another") == ({}, None)


def test_a_cpus_step_is_for_what_may_train_on_a_cpu_and_is_of_the_measured_size(checkout: Path) -> None:
    record = "step_a-cpu_2026-01-01.json"
    assert measured(checkout, "paper", CPU) == ({}, record)
    assert measured(checkout, "pilot", CPU) == ({"voc_r101": 6000.0}, record), "four crops, of which two were measured"
    assert measured(checkout, "demo", CPU) == ({}, record), "another width and crop"


@pytest.mark.parametrize(("machine", "said"), [(GPU, "steps: benchmarks/step_nvidia-x-100_2026-01-02.json"), (CPU, "")])
def test_plan_says_which_record_it_took(
    checkout: Path, machine: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pointrend.commands.plan.this_machine", lambda: {machine})
    assert main(["--params", str(checkout / "params.yaml"), "--scale", "paper", "plan"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (said or NO_STEPS) in lines
    assert any(line.split()[:6] == ["voc_r50", "200", "2.2", "h", "8.8", "h"] for line in lines) is bool(said)
