"""`pointrend track sync` into the project's own database."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from pointrend.evaluation.described import describe
from pointrend.files import sha256_file, write_json
from tests.tracking.projects import (
    START,
    consistent,
    expected,
    finish,
    growing,
    points,
    records,
    row,
    spool,
    sync,
    tables,
    write_results,
)

OTHER = "0" * 64


def client(root: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{root}/mlflow.db")


def runs(root: Path) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in client(root).search_runs([client(root).get_experiment_by_name("pointrend-demo").experiment_id]):
        found.setdefault(run.info.run_name, []).append(run)
    return found


def one(root: Path, name: str = "voc_r50 seed 0") -> Run:
    (run,) = runs(root)[name]
    return run


def history(root: Path, run: Run, name: str = "train/loss") -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client(root).get_metric_history(run.info.run_id, name)]


def superseded(root: Path, name: str) -> dict[str, str]:
    """Whether each of the runs with a name is superseded, by its id."""
    return {run.info.run_id: run.data.tags["pointrend.superseded"] for run in runs(root)[name]}


@pytest.fixture
def done(root):
    """A project with one finished run that was synced."""
    finish(root)
    write_results(root, row())
    sync(root)
    return root


def test_a_training_arrives_whole(done):
    assert runs(done).keys() == {"voc_r50", "voc_r50 seed 0"}
    parent, child = one(done, "voc_r50"), one(done)
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert (child.info.status, parent.info.status) == ("FINISHED", "FINISHED")
    for run in (parent, child):
        assert (run.info.start_time, run.info.end_time) == (1_700_000_001_250, 1_700_000_006_250)

    losses = client(done).get_metric_history(child.info.run_id, "train/loss")
    assert [(point.step, point.timestamp, point.value) for point in losses] == [
        (i, round(1000 * (START + i)), round(3 / i, 6)) for i in range(1, 7)
    ]
    figures = {key.removeprefix("val/"): value for key, value in child.data.metrics.items() if key.startswith("val/")}
    assert figures == {
        **{"miou": 70.0, "all_accuracy": 90.0, "boundary_iou": 60.0, "coarse_miou": 65.0, "coarse_boundary_iou": 50.0},
        **{"iou/background": 95.0, "iou/dining table": 45.0},
    }
    assert history(done, child, "val/miou") == [(6, 70.0)]

    assert child.data.params.keys() >= {"lr", "batch_size", "seed", "dataset", "backbone", "depth", "gpus"}
    assert (child.data.params["crop_size"], child.data.params["seed"]) == ("[64, 64]", "0")
    assert not child.data.params.keys() & {"workers", "checkpoint_minutes", "log_every", "pictures", "tracking"}
    tags = child.data.tags
    assert (tags["pointrend.verdict"], tags["pointrend.evidence"]) == ("not comparable", "one-seed")
    assert {key for key in tags if "sha256" in key} == set()
    assert "mlflow.source.git.commit" not in tags


def test_data_artifacts_and_the_published_number_arrive(done):
    parent, child = one(done, "voc_r50"), one(done)
    (used,), (of_parent,) = child.inputs.dataset_inputs, parent.inputs.dataset_inputs
    assert of_parent.dataset.digest == used.dataset.digest
    sha256 = sha256_file(done / "data/demo/voc/manifest.json")
    assert (used.dataset.name, used.dataset.digest) == ("voc", sha256[:32])
    assert {tag.key: tag.value for tag in used.tags}["sha256"] == sha256
    assert json.loads(used.dataset.profile) == {"counts": {"train": {"found": 96}}, "pins": "demo"}

    folder = done / "mlartifacts/demo" / child.info.run_id / "artifacts"
    sent = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    files = {"train.json", "metrics.json", "metrics.jsonl", "hashes.json", "pictures/a.png", "matrix.parquet"}
    assert {name for name in sent if not name.startswith("model/")} == files | {"confusion.json"}
    assert json.loads(child.data.tags["mlflow.loggedArtifacts"]) == [{"path": "confusion.json", "type": "table"}]
    pairs = pd.read_json(folder / "confusion.json", orient="split")
    assert pairs.to_dict("records") == [{"truth": "person", "predicted": "background", "percent": 25.0, "pixels": 3}]
    assert sent >= {"model/MLmodel", "model/artifacts/model.safetensors", "model/code/pointrend/__init__.py"}
    named = {"fingerprint", "confusion.parquet", "code", "data_manifest", "model.safetensors", "pictures/a.png"}
    hashes = json.loads((folder / "hashes.json").read_text())
    assert (hashes.keys(), hashes["confusion.parquet"]) == (named, "e" * 64)
    pages = done / "mlartifacts/demo" / parent.info.run_id / "artifacts/results"
    assert {path.name for path in pages.iterdir()} == {
        *("README.md", "index.html", "results.csv", "classes.csv", "results.json")
    }

    assert parent.data.metrics == {"published_miou": 69.84, "miou": 70.0, "train/loss": 0.5, "train/lr": 0.1 / 6}
    description = parent.data.tags["mlflow.note.content"]
    assert description.splitlines() == [
        "**not comparable** (evidence: one-seed)",
        "",
        "* ours: 70.00%",
        "* published: 69.84%",
        "* scale demo",
    ]
    assert client(done).search_registered_models() == []


def test_the_record_has_what_was_sent_and_where(done):
    assert json.loads((done / "logs/demo/tracked.json").read_text()) == {
        "experiment": "pointrend-demo",
        "page": "#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=scores",
        "results_sha256": json.loads((done / "results/demo/results.json").read_text())["sha256"],
        "runs": {"voc_r50": {"0": one(done).info.run_id}},
        "scale": "demo",
        "store": "mlflow.db",
    }


def test_a_second_sync_changes_nothing(done):
    finish(done, seed=1)
    write_results(done, consistent(), consistent(seed=1))
    sync(done)
    before, record = tables(done / "mlflow.db"), (done / "logs/demo/tracked.json").read_bytes()
    sync(done)
    assert tables(done / "mlflow.db") == before
    assert (done / "logs/demo/tracked.json").read_bytes() == record
    assert set(points(done / "mlflow.db").values()) == {2}  # both seeds


def test_a_new_score_is_one_more_point_and_the_one_that_is_shown(done):
    metrics = done / "runs/demo/voc_r50-s0/metrics.json"
    write_json(metrics, json.loads(metrics.read_text()) | {"miou": 68.5})
    sync(done)
    sync(done)
    assert one(done).data.metrics["val/miou"] == 68.5
    assert history(done, one(done), "val/miou") == [(6, 70.0), (6, 68.5)]


def test_a_retrained_run_gets_a_run_of_its_own_and_the_old_one_is_marked(done):
    finish(done, fingerprint=OTHER, steps=4)
    write_results(done, row(hashes={"fingerprint": OTHER}))
    sync(done)
    by_age = {"key": lambda run: run.data.tags["pointrend.superseded"], "reverse": True}
    old, new = sorted(runs(done)["voc_r50 seed 0"], **by_age)
    first, second = sorted(runs(done)["voc_r50"], **by_age)
    assert (old.data.tags["pointrend.fingerprint"], new.data.tags["pointrend.fingerprint"]) == ("f" * 16, "0" * 16)
    for parent, child, steps, stale in ((first, old, 6, "true"), (second, new, 4, "false")):
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        for run in (parent, child):
            assert run.data.tags["pointrend.superseded"] == stale
            assert history(done, run) == [(i, round(3 / i, 6)) for i in range(1, steps + 1)]

    finish(done)  # the first setting again: its runs are found, and are the valid ones again
    write_results(done, row())
    sync(done)
    assert superseded(done, "voc_r50") == {first.info.run_id: "false", second.info.run_id: "true"}
    assert superseded(done, "voc_r50 seed 0") == {old.info.run_id: "false", new.info.run_id: "true"}


def test_the_run_as_a_whole_shows_the_curves_of_its_lowest_seed(root):
    """So that the charts of an experiment have them, in which nested runs are hidden."""
    finish(root, seed=2, fingerprint=OTHER)
    finish(root, seed=1, steps=4)
    write_results(root, row(seed=1), row(seed=2))
    sync(root)
    parent = one(root, "voc_r50")
    for name in ("train/loss", "train/lr"):
        assert [step for step, _ in history(root, parent, name)] == [1, 2, 3, 4]
    assert "train/epoch" not in parent.data.metrics
    for seed in (1, 2):
        assert one(root, f"voc_r50 seed {seed}").data.tags["mlflow.parentRunId"] == parent.info.run_id


def test_a_row_about_another_training_judges_nothing(done):
    finish(done, fingerprint=OTHER)
    sync(done)
    (stale,) = (run for run in runs(done)["voc_r50 seed 0"] if run.data.tags["pointrend.fingerprint"] == OTHER[:16])
    assert "pointrend.verdict" not in stale.data.tags
    assert "val/miou" not in stale.data.metrics


def test_only_a_consistent_model_is_registered(done):
    finish(done, seed=1)
    provenance = {"provenance": {"code": {"commit": "abc123"}}}
    write_results(done, row(), consistent(seed=1, **provenance))
    sync(done)
    model, trained = "pointrend-voc_r50", one(done, "voc_r50 seed 1")
    (version,) = client(done).search_model_versions(f"name = '{model}'")
    assert version.run_id == trained.info.run_id
    stored = Path(version.source.removeprefix("file://")) / "artifacts/model.safetensors"
    assert stored.read_bytes() == describe(done / "runs/demo/voc_r50-s1")
    assert client(done).get_model_version_by_alias(model, "consistent").version == version.version
    assert trained.data.tags["mlflow.source.git.commit"] == "abc123"

    summary = consistent(seed=None, kind="seeds", verdict="reproduced", evidence="seeds", miou=70.5)
    write_results(done, consistent(), consistent(seed=1), summary)
    sync(done)
    assert client(done).get_registered_model(model).aliases.keys() == {"reproduced"}
    assert client(done).get_model_version_by_alias(model, "reproduced").run_id == one(done).info.run_id
    parent = one(done, "voc_r50")
    assert (parent.data.tags["pointrend.verdict"], parent.data.metrics["miou"]) == ("reproduced", 70.5)
    interval = "95 % interval of the difference over seeds: -0.67 to +0.99 points"
    assert interval in parent.data.tags["mlflow.note.content"]

    write_results(done, consistent(), consistent(seed=1), summary | {"verdict": "below"})
    sync(done)
    assert client(done).get_registered_model(model).aliases == {}
    assert len(client(done).search_model_versions(f"name = '{model}'")) == 2


RELEASED = row(seed=None, kind="released", miou=69.83, difference=-0.01, verdict="matches", evidence="released")


def test_released_weights_stand_beside_the_run(done):
    write_results(done, row(), RELEASED)
    sync(done)
    parent = one(done, "voc_r50")
    figures = {name: value for name, value in parent.data.metrics.items() if not name.startswith("train/")}
    released = {"released_miou": 69.83, "released_difference": -0.01}
    assert figures == {"published_miou": 69.84, "miou": 70.0, **released}
    assert parent.data.tags["pointrend.verdict"] == "not comparable"


def test_released_weights_need_no_training_of_ours(root):
    write_results(root, row(miou=None, verdict="not run"), RELEASED, row("voc_r101", miou=None, verdict="not run"))
    sync(root)
    before = tables(root / "mlflow.db")
    sync(root)
    assert tables(root / "mlflow.db") == before
    ((parent,),) = runs(root).values()
    assert (parent.data.tags["pointrend.verdict"], parent.info.status) == ("matches", "FINISHED")
    assert parent.data.metrics == {"published_miou": 69.84, "released_miou": 69.83, "released_difference": -0.01}


def test_without_results_the_curves_are_sent(root):
    spool(growing(root), records(1, 3), "{")
    sync(root)
    child = one(root)
    assert points(root / "mlflow.db") == expected(3)
    assert child.info.status == "RUNNING"
    finish(root)  # it was killed, and went through its iterations again at other times
    spool(root / "runs/demo/voc_r50-s0/metrics.jsonl", records(1, 6, START + 100))
    sync(root)
    again = one(root)
    assert (again.info.run_id, again.info.status) == (child.info.run_id, "FINISHED")
    assert points(root / "mlflow.db") == expected(6)


def stores_and_fails(real: Callable[..., Any], keep: int) -> Callable[..., Any]:
    """log_batch that stores the first ``keep`` metrics and then has no answer, once."""
    failures = iter([True])

    def log_batch(self: MlflowClient, run_id: str, metrics: Any = (), **more: Any) -> None:
        if len(metrics) > 1 and next(failures, False):
            real(self, run_id, metrics=metrics[:keep], **more)
            raise TimeoutError("timed out")
        real(self, run_id, metrics=metrics, **more)

    return log_batch


@pytest.mark.parametrize("keep", [0, 7, 18])
def test_a_batch_that_got_lost_half_way_is_completed(root, monkeypatch, capsys, keep):
    finish(root)
    write_results(root, row())
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", stores_and_fails(MlflowClient.log_batch, keep))
        sync(root, expect=2)
    assert not (root / "logs/demo/tracked.json").exists()
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: cannot send to MLflow at /")
    assert sum(points(root / "mlflow.db").values()) == keep
    sync(root)
    curves = Counter({key: count for key, count in points(root / "mlflow.db").items() if key[0].startswith("train/")})
    assert curves == expected(6)


def test_a_deleted_experiment_is_named(done, capsys):
    experiment = client(done).get_experiment_by_name("pointrend-demo").experiment_id
    client(done).delete_experiment(experiment)
    sync(done, expect=2)
    assert f"mlflow experiments restore --experiment-id {experiment}" in capsys.readouterr().err


def test_tracking_can_be_switched_off(root):
    params = root / "params.yaml"
    params.write_text(params.read_text().replace("tracking: true", "tracking: false"))
    finish(root)
    sync(root)
    assert points(root / "mlflow.db") == {}
    assert json.loads((root / "logs/demo/tracked.json").read_text())["store"] is None
