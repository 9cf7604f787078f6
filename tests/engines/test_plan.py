"""The verb ``plan``: hours and disk from the time of a step."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pointrend.cli import main
from pointrend.engines.estimates import sample_times, step_times
from pointrend.engines.plan import NO_STEPS
from pointrend.files import write_json
from pointrend.settings.project import Project
from tests.tiny import ROOT

GPU, CPU = "NVIDIA X 100", "A CPU"
Plan = Callable[..., list[str]]


@pytest.fixture
def plan(capsys: pytest.CaptureFixture[str]) -> Plan:
    """The lines that the verb prints."""

    def plan(scale: str, *words: str, root: Path = ROOT) -> list[str]:
        assert main(["--params", str(root / "params.yaml"), "--scale", scale, "plan", *words]) == 0
        return capsys.readouterr().out.splitlines()

    return plan


@pytest.mark.parametrize(
    ("scale", "figures"),
    [
        ("paper", ["voc_r50 200 2.2 h 8.8 h 0.46 20/s", "ade20k_r50 100 4.6 h 18.2 h 0.46 40/s"]),
        ("demo", ["voc_r50 200 2 min 2 min 0.01 40/s", "ade20k_r50 100 48 s 48 s 0.01 80/s"]),
    ],
)
def test_costs_follow_from_step_times_of_which_a_runs_own_wins(plan: Plan, scale: str, figures: list[str]) -> None:
    lines = [line.split() for line in plan(scale, "--step-ms", "r50=100", "--step-ms", "voc_r50=200")]
    assert ["steps:", "--step-ms"] in lines
    assert [" ".join(words[:-1]) for words in lines if words and words[-1].endswith("/s")][:2] == figures
    assert not [words for words in lines if words and words[0].endswith("_r101") and words[-1].endswith("/s")]


def test_the_plan_says_how_many_seeds_it_takes_where_a_number_can_be_reproduced(plan: Plan) -> None:
    """The least list by hand for Cityscapes: t(0.95, 2) 0.13 sqrt(4/3) = 0.44; for VOC it takes many."""
    lines = [line.split() for line in plan("paper")]
    heading = next(index for index, words in enumerate(lines) if words[1:3] == ["sigma", "least"])
    assert [words[:3] for words in lines[heading + 1 : heading + 7 : 2]] == [
        ["voc_r50", "0.50", "14"],
        ["ade20k_r50", "0.26", "3"],
        ["cityscapes_r50", "0.13", "3"],
    ]
    chances = [
        [int(part.split()[-1]) for part in " ".join(words[3:]).split(" %")[:4]] for words in lines[heading + 1 :][:6]
    ]
    assert all(chance == sorted(chance) for chance in chances)
    assert (max(chances[0]), min(chances[4])) == (1, 97)
    assert not [line for line in plan("demo") if "least" in line]


def test_disk_follows_from_counts_and_form() -> None:
    project = Project.load(ROOT / "params.yaml", "paper")
    pixels = (10582 + 1449) * project.params.datasets["voc"].about_megapixels * 1e6
    assert project.prepared_bytes("voc", "raw") == pytest.approx(4 * pixels)
    assert project.prepared_bytes("voc", "compact") == pytest.approx(2 * pixels)
    (_, sbd) = project.archives_of("voc")
    assert project.about_bytes(sbd) == pytest.approx(1.4e9)
    assert project.about_bytes(sbd.model_copy(update={"bytes": 5})) == 5


@pytest.mark.parametrize(("scale", "words"), [("demo", "CPU      8"), ("paper", "together       about 73.39 GB")])
def test_plan_ends_with_what_to_type_next(plan: Plan, scale: str, words: str) -> None:
    printed, _, following = "\n".join(plan(scale)).partition("\nnext\n")
    assert words in printed
    assert f"  snakemake --cores all --config scale={scale}\n" in following
    assert ("--step-ms" in following) == (scale == "paper")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A root with params.yaml, the step records of two GPUs and a CPU, and two loader records."""
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
    for name, samples in {
        "loader_z_2024-01-02": [("voc", 9)],
        "loader_a_2025-03-04": [("voc", 2), ("voc", 5), ("ade20k", 3)],
    }.items():
        figures = [
            {"facts": {"dataset": dataset}, "count": 10, "timings": {"fast": {"cpu_s": milliseconds / 100}}}
            for dataset, milliseconds in samples
        ]
        write_json(tmp_path / "benchmarks" / f"{name}.json", {"figures": figures})
    return tmp_path


def test_the_loaders_rate_is_that_of_the_newest_record(checkout: Path) -> None:
    project = Project.load(checkout / "params.yaml", "paper")
    assert sample_times(project) == pytest.approx({"voc": 2.0, "ade20k": 3.0})
    shutil.rmtree(checkout / "benchmarks")
    assert sample_times(project) == {}


@pytest.mark.parametrize(
    ("scale", "machine", "times", "record"),
    [
        ("paper", GPU, {"voc_r50": 200.0}, "step_nvidia-x-100_2026-01-02.json"),
        ("paper", "another", {}, None),
        ("paper", CPU, {}, "step_a-cpu_2026-01-01.json"),
        ("pilot", CPU, {"voc_r101": 6000.0}, "step_a-cpu_2026-01-01.json"),  # four crops, of which two were measured
        ("demo", CPU, {}, "step_a-cpu_2026-01-01.json"),  # another width and crop
    ],
)
def test_the_step_is_that_of_this_machines_newest_record_where_size_and_device_are_the_same(
    checkout: Path, scale: str, machine: str, times: dict[str, float], record: str | None
) -> None:
    found, path = step_times(Project.load(checkout / "params.yaml", scale), {machine})
    assert (found, path and path.name) == (times, record)


@pytest.mark.parametrize(("machine", "said"), [(GPU, "steps: benchmarks/step_nvidia-x-100_2026-01-02.json"), (CPU, "")])
def test_plan_says_which_record_it_took(
    plan: Plan, checkout: Path, machine: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pointrend.commands.plan.this_machine", lambda: {machine})
    lines = plan("paper", root=checkout)
    assert (said or NO_STEPS) in lines
    assert any(line.split()[:6] == ["voc_r50", "200", "2.2", "h", "8.8", "h"] for line in lines) is bool(said)
