"""Tracking as the engines' last stage: it runs alone where the rest is done, and a dead server costs only itself."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

import pytest

from tests.workflow.checkout import Checkout

RECORD = "logs/demo/tracked.json"


def switch_on(checkout: Checkout) -> None:
    params = checkout.params()
    params["operation"]["tracking"] = True
    checkout.write_params(params)


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.mark.parametrize(("state", "engine"), [("by_snakemake", "snakemake"), ("by_dvc", "dvc")])
def test_an_engine_ends_with_its_results_in_the_database(
    request: pytest.FixtureRequest, tmp_path: Path, state: str, engine: str
) -> None:
    checkout: Checkout = request.getfixturevalue(state).copy(tmp_path / "pointrend")
    before = checkout.git("status", "--porcelain")
    switch_on(checkout)
    assert checkout.commands(engine) == {"track sync"}
    checkout.run(*(("snakemake", "--cores", "2") if engine == "snakemake" else ("dvc", "repro")))
    assert checkout.commands(engine) == set()
    record = json.loads((checkout.root / RECORD).read_text())
    assert (record["store"], set(record["runs"])) == ("mlflow.db", {"voc_r50", "voc_r101"})
    with sqlite3.connect(checkout.root / "mlflow.db") as database:
        losses = database.execute("SELECT count(*) FROM metrics WHERE key = 'train/loss'").fetchone()
        scores = database.execute("SELECT count(*) FROM metrics WHERE key = 'val/miou'").fetchone()
    assert (losses, scores) == ((8,), (2,))  # two trainings of four iterations
    assert checkout.git("status", "--porcelain").replace(" M params.yaml\n", "") == before


def test_a_dead_server_costs_no_step_of_training(
    by_snakemake: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Snakemake starts a follower, trains, writes the tables, and only then fails to send them."""
    checkout = by_snakemake.copy(tmp_path / "pointrend")
    switch_on(checkout)
    params = checkout.params()
    params["runs"]["voc_r50"]["lr"] = 0.01
    checkout.write_params(params)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:sw0rdfish@127.0.0.1:9")  # the discard port: nobody listens
    output = checkout.run("snakemake", "--cores", "2", expect=1)
    assert "error: cannot send to MLflow at http://127.0.0.1:9: " in output
    assert "the results are complete" in output
    assert checkout.commands("snakemake") == {"track sync"}
    log = checkout.root / "logs/demo/track-follow.log"
    deadline = time.monotonic() + 60
    while not (log.is_file() and "`pointrend track sync` sends the rest" in log.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert "sw0rdfish" not in output + log.read_text()

    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    checkout.run("snakemake", "--cores", "2")
    assert json.loads((checkout.root / RECORD).read_text())["store"] == "mlflow.db"
