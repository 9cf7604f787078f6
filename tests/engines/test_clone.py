"""A fresh clone takes everything from a DVC remote, and neither engine wants to train."""

from __future__ import annotations

from pathlib import Path

from tests.workflow.checkout import Checkout


def test_a_clone_pulls_and_has_nothing_to_train(by_dvc: Checkout, tmp_path: Path) -> None:
    origin = by_dvc.copy(tmp_path / "origin")
    origin.run("dvc", "remote", "add", "--default", "store", str(tmp_path / "remote"))
    origin.git("add", "--all")
    origin.git("commit", "--quiet", "--message", "results")
    origin.run("dvc", "push")

    origin.git("clone", "--quiet", str(origin.root), str(tmp_path / "clone"))
    clone = origin.at(tmp_path / "clone")
    clone.run("dvc", "pull", "--allow-missing")  # the tables are not in the remote: they are made below
    assert clone.commands("dvc", "--force-downstream") == {"compare", "report", "track sync"}
    clone.run("dvc", "repro")
    clone.run("pointrend", "bridge", "snakemake")

    assert clone.commands("dvc") == clone.commands("snakemake") == set()
    results = "results/demo/results.json"
    assert (clone.root / results).read_bytes() == (origin.root / results).read_bytes()
    assert clone.git("status", "--porcelain") == ""
    other_lr(clone)
    assert "train voc_r50 --seed 0" in clone.commands("dvc") & clone.commands("snakemake")


def other_lr(checkout: Checkout) -> None:
    params = checkout.params()
    params["runs"]["voc_r50"]["lr"] = 0.01
    checkout.write_params(params)
