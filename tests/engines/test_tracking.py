"""Tracking as the engines' last stage: it runs alone where the rest is done, and a dead server costs only itself."""

import json
import re

from tests.engines.test_situations import CHANGES
from tests.slurm.cluster import until
from tests.tracking.projects import points
from tests.workflow.checkout import Checkout

RECORD = "logs/demo/tracked.json"


def curves_and_scores(checkout: Checkout) -> tuple[int, int]:
    """How many losses and how many mIoUs the database holds of trainings."""
    found = points(checkout.root / "mlflow.db")
    losses, scores = (sum(n for (key, _), n in found.items() if key == name) for name in ("train/loss", "val/miou"))
    return losses, scores


def test_dvc_ends_with_the_results_in_the_database(by_dvc, tmp_path):
    checkout = by_dvc.copy(tmp_path / "pointrend")
    before = checkout.git("status", "--porcelain")
    CHANGES["tracking"](checkout)
    commands = re.findall("> (pointrend .*)", checkout.run("dvc", "repro"))
    assert commands == ["pointrend plan --check", "pointrend --scale demo track sync"]
    record = json.loads((checkout.root / RECORD).read_text())
    assert (record["store"], set(record["runs"])) == ("mlflow.db", {"voc_r50", "voc_r101"})
    assert curves_and_scores(checkout) == (8, 2)  # two trainings of four iterations
    assert checkout.git("status", "--porcelain").replace(" M params.yaml\n", "") == before


def test_snakemake_loses_nothing_to_a_dead_server(by_snakemake, tmp_path, monkeypatch):
    """It starts a follower, trains, writes the tables, and only then fails to send them; the next run sends them."""
    checkout = by_snakemake.copy(tmp_path / "pointrend")
    for change in ("tracking", "lr of one run"):
        CHANGES[change](checkout)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:sw0rdfish@127.0.0.1:9")  # the discard port: nobody listens
    output = checkout.run("snakemake", "--cores", "2", expect=1)
    assert "error: cannot send to MLflow at http://127.0.0.1:9: " in output
    assert "the results are complete" in output
    log = checkout.root / "logs/demo/track-follow.log"
    until(lambda: log.is_file() and "`pointrend track sync` sends the rest" in log.read_text())
    assert "sw0rdfish" not in output + log.read_text()

    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert re.findall("^localrule (.*):", checkout.run("snakemake", "--cores", "2"), re.MULTILINE) == ["track"]
    assert json.loads((checkout.root / RECORD).read_text())["store"] == "mlflow.db"
    assert curves_and_scores(checkout) == (8, 2)
    assert checkout.git("status", "--porcelain") == " M params.yaml\n"
