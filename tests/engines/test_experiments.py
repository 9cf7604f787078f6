"""Experiments with DVC: another value for one run, what it changed."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.workflow.checkout import Checkout

SCORES = "runs/demo/voc_r50-s0/scores.json"


def test_an_experiment_redoes_one_run_and_shows_what_changed(by_dvc: Checkout, tmp_path: Path) -> None:
    checkout = by_dvc.copy(tmp_path / "pointrend")
    checkout.git("config", "user.name", "test")
    checkout.git("config", "user.email", "test@example.org")
    checkout.git("add", "--all")
    checkout.git("commit", "--quiet", "--message", "results")
    output = checkout.run("dvc", "exp", "run", "--name", "slower", "-S", "runs.voc_r50.lr=0.03125")
    assert re.findall(r"^> pointrend --scale demo (\w+)", output, re.M) == [
        "train",
        "evaluate",
        "compare",
        "report",
        "track",
    ]

    shown = checkout.run("dvc", "exp", "show", "--csv")
    assert "slower" in shown
    assert "0.03125" in shown
    assert f"{SCORES}:miou" in shown
    changed = json.loads(checkout.run("dvc", "params", "diff", "--json"))
    assert changed == {"params.yaml": {"runs.voc_r50.lr": {"old": None, "new": 0.03125}}}
    compared = json.loads(checkout.run("dvc", "metrics", "diff", "--all", "--json"))
    assert compared.keys() == {SCORES, SCORES.replace("r50", "r101")}
    metrics = json.loads(checkout.run("dvc", "metrics", "show", "--json"))[""]["data"]
    assert metrics[SCORES]["data"].keys() == {"miou", "all_accuracy", "boundary_iou"}
