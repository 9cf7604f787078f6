"""The record of starts as trainings write it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pointrend.checkout.starts import Starts
from pointrend.cli import main
from pointrend.files import read_json
from pointrend.jobs.attempts import SEEDS
from pointrend.jobs.starts import NotedStart
from pointrend.settings.fingerprints import training_fingerprint
from pointrend.settings.project import Project
from pointrend.training.run import Training
from tests.tiny import ITERATIONS, ROOT, TINY, write_tiny_data

TRAIN = Path("runs/demo/voc_r50-s0/train.json")
SETS = [word for value in TINY for word in ("--set", value)]


@pytest.fixture(autouse=True)
def _checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder has tiny data and no training."""
    monkeypatch.chdir(tmp_path)
    for name in ("POINTREND_SCALE", SEEDS):
        monkeypatch.delenv(name, raising=False)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    write_tiny_data(tmp_path / "data/demo/voc")


def train(monkeypatch: pytest.MonkeyPatch, seeds: str) -> None:
    """Train seed 0, as an engine does that was given these seeds."""
    monkeypatch.setenv(SEEDS, seeds)
    assert main(["--scale", "demo", *SETS, "train", "voc_r50"]) == 0


def entries() -> Iterator[tuple[object, ...]]:
    """Kind and what matters most of every entry."""
    for entry in Starts(Path("results/demo/starts")).entries().values():
        yield entry["kind"], entry.get("seeds", entry.get("seed")), entry.get("iteration", entry.get("model_sha256"))


def noted(seed: int, planned: list[int], iteration: int = 0, *sets: str) -> NotedStart:
    """The start of a training that does nothing, with these seeds in params.yaml."""
    params = (ROOT / "params.yaml").read_text()
    assert "seeds: [0] " in params
    Path("params.yaml").write_text(params.replace("seeds: [0] ", f"seeds: {planned} "))
    project = Project.load(Path("params.yaml").absolute(), "demo", (*TINY, *sets))
    setting = project.setting("voc_r50")
    return NotedStart(Training(project, setting, seed, training_fingerprint(project, setting, seed)), iteration)


def test_a_training_seals_the_seeds_and_notes_its_start_its_first_checkpoint_and_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train(monkeypatch, "0,1")
    trained = [("seeds", [0, 1], None), ("start", 0, 0), ("progress", 0, None), ("end", 0, ITERATIONS)]
    assert list(entries()) == trained
    (number, sha256), _ = list(Starts(Path("results/demo/starts")).entries().items())[1]
    record = read_json(TRAIN)
    assert record["attempts"][-1]["start"] == {"number": number, "sha256": sha256}
    last = read_json(Path("results/demo/starts/000004.json"))
    assert last["model_sha256"] == record["model_sha256"]
    train(monkeypatch, "0,1")
    assert list(entries()) == [*trained, ("start", 0, ITERATIONS), ("end", 0, ITERATIONS)]


@pytest.mark.parametrize(("given", "planned"), [("", [0, 1, 2]), ("1", [0, 1, 2]), ("1,3", [1, 3])])
def test_the_seeds_of_params_are_planned_unless_an_engine_was_given_others(
    given: str, planned: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SEEDS, given)
    noted(0, [0, 1, 2])
    assert next(entries()) == ("seeds", planned, None)


def test_the_list_may_change_until_a_training_has_a_checkpoint(caplog: pytest.LogCaptureFixture) -> None:
    noted(0, [0])
    start = noted(0, [0, 1])
    start.progress()
    start.training.checkpoints.mkdir(parents=True)
    (start.training.checkpoints / "000000003-000001.safetensors").touch()
    start.progress()
    start.progress()
    noted(5, [0, 1, 5], 0, "gpus=2")
    assert "seed 5 of voc_r50 is not one of [0, 1], which were planned before" in caplog.text
    noted(0, [0, 5], 0, "lr=0.5")
    kinds = [(kind, seed) for kind, seed, _ in entries()]
    assert kinds == [
        *(("seeds", [0]), ("start", 0)),
        *(("seeds", [0, 1]), ("start", 0), ("progress", 0)),
        ("start", 5),
        *(("seeds", [0, 5]), ("start", 0)),
    ]


def test_an_hour_without_a_checkpoint_counts_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    start = noted(0, [0])
    for seconds, kinds in ((3000, ["seeds", "start"]), (3700, ["seeds", "start", "progress"])):
        monkeypatch.setattr("pointrend.jobs.starts.time.monotonic", lambda now=start._began + seconds: now)
        start.progress()
        assert [kind for kind, *_ in entries()] == kinds


def test_a_resumed_training_has_progressed_before() -> None:
    start = noted(0, [0], 3)
    start.training.checkpoints.mkdir(parents=True)
    (start.training.checkpoints / "000000003-000001.safetensors").touch()
    start.progress()
    assert [kind for kind, *_ in entries()] == ["seeds", "start"]


def test_a_broken_record_stops_no_training(caplog: pytest.LogCaptureFixture) -> None:
    noted(0, [0])
    Path("results/demo/starts/000001.json").unlink()
    noted(1, [0, 1])
    assert "results/demo/starts/000001.json does not exist; restore it" in caplog.text


def test_entries_of_several_trainings_at_once_are_one_chain(tmp_path: Path) -> None:
    starts = Starts(tmp_path / "results/paper/starts")
    values = {"fingerprint": "f", "iteration": 0}
    with ThreadPoolExecutor(8) as pool:
        places = list(pool.map(lambda seed: starts.append("start", "voc_r50", "s", seed=seed, **values), range(40)))
    found = starts.entries()
    assert sorted(places) == list(found)
    assert sorted(entry["seed"] for entry in found.values()) == list(range(40))
    assert len(list(starts.folder.iterdir())) == 40
