"""DVC with git: a fresh clone takes everything from a remote, and experiments show what another value changed."""

import csv
import json
import re

import pytest

from tests.engines.test_situations import CHANGES, TABLES

MIOU = "results/demo/metrics.json"


@pytest.fixture
def committed(by_dvc, tmp_path):
    """A checkout in which DVC has run, everything committed."""
    checkout = by_dvc.copy(tmp_path / "origin")
    checkout.git("config", "user.name", "test")
    checkout.git("config", "user.email", "test@example.org")
    checkout.run("dvc", "remote", "add", "--default", "store", str(tmp_path / "remote"))
    checkout.git("add", "--all")
    checkout.git("add", "--force", "results/demo/starts")  # as at scale paper, where git does not ignore results
    checkout.git("commit", "--quiet", "--message", "results")
    return checkout


def test_a_clone_pulls_and_has_nothing_to_train(committed, tmp_path):
    committed.run("dvc", "push")
    committed.git("clone", "--quiet", str(committed.root), str(tmp_path / "clone"))
    clone = committed.at(tmp_path / "clone")
    clone.run("dvc", "pull", "--allow-missing")  # the tables are not in the remote: they are made below
    assert clone.commands("dvc", "--force-downstream") == TABLES
    clone.run("dvc", "repro")
    clone.run("pointrend", "bridge", "snakemake")

    assert clone.commands("dvc") == clone.commands("snakemake") == set()
    results = "results/demo/results.json"
    assert (clone.root / results).read_bytes() == (committed.root / results).read_bytes()
    assert clone.git("status", "--porcelain") == ""
    CHANGES["lr of one run"](clone)
    assert "train voc_r50 --seed 0" in clone.commands("dvc") & clone.commands("snakemake")


def test_an_experiment_redoes_one_run_and_shows_what_changed(committed):
    output = committed.run("dvc", "exp", "run", "--name", "slower", "-S", "runs.voc_r50.lr=0.03125")
    run = re.findall(r"^> pointrend --scale demo (\w+)", output, re.M)
    assert run == ["train", "evaluate", "compare", "report", "track"]

    shown = committed.run("dvc", "exp", "show", "--csv", "--only-changed", "--drop", ".*/.*")
    header, _, _, experiment = csv.reader(shown.splitlines())
    assert (experiment[0], experiment[header.index("runs.voc_r50.lr")]) == ("slower", "0.03125")
    assert set(header) <= {"Experiment", "rev", "typ", "Created", "parent", "voc_r50", "runs.voc_r50.lr"}
    changed = json.loads(committed.run("dvc", "params", "diff", "--json"))
    assert changed == {"params.yaml": {"runs.voc_r50.lr": {"old": None, "new": 0.03125}}}
    compared = json.loads(committed.run("dvc", "metrics", "diff", "--all", "--json"))
    assert {file: {*figures} for file, figures in compared.items()} == {MIOU: {"voc_r50", "voc_r101"}}
    metrics = json.loads(committed.run("dvc", "metrics", "show", "--json"))[""]["data"]
    assert metrics == {MIOU: {"data": json.loads((committed.root / MIOU).read_text())}}
    plots = json.loads(committed.run("dvc", "plots", "show", "--json", "voc_r50"))["data"]
    fields = {value["field"] for value in plots["voc_r50"][0]["content"]["data"]["values"]}
    assert fields == {"loss", "loss_point", "loss_coarse"}
