"""What both engines print at their end: what is done, what is missing, the next commands, and what has failed."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from pointrend.engines.summary import summary
from pointrend.engines.workflow import Workflow
from pointrend.files import sha256_file, write_json
from tests.tiny import ROOT


@pytest.fixture
def root(tmp_path, monkeypatch):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(root: Path, *rest: str, **config: Any) -> str:
    return summary(Workflow.from_config(config, root), *rest)


def make(root: Path, run: str, *names: str, fingerprint: str = "f") -> None:
    """Files of a run with what the summary reads of them."""
    for name in names:
        write_json(root / f"runs/demo/{run}-s0" / name, {"fingerprint": fingerprint, "run": run})


def test_before_anything_the_way_to_the_rest_is_named(root):
    assert said(root, "snakemake --cores all").splitlines() == [
        "",
        "Scale demo: status",
        "  prepared  0 of 3; not yet: voc, ade20k, cityscapes",
        "  trained   0 of 6; not yet: voc_r50 seed 0, voc_r101 seed 0, ade20k_r50 seed 0",
        "            and 3 more",
        "  scored    0 of 6; not yet: voc_r50 seed 0, voc_r101 seed 0, ade20k_r50 seed 0",
        "            and 3 more",
        "  tables    not yet",
        "",
        "Next",
        "  snakemake --cores all  makes the rest",
    ]
    assert "Next" not in said(root)


@pytest.mark.parametrize("earlier", [True, False])
def test_a_score_is_missing_or_of_an_earlier_training(root, earlier):
    if earlier:
        make(root, "voc_r50", "metrics.json", fingerprint="earlier")
    make(root, "voc_r50", "train.json")
    make(root, "voc_r101", "train.json", "metrics.json")
    lines = said(root, "again", runs="voc_r50,voc_r101").splitlines()
    assert "  trained   2 of 2, in runs/demo/" in lines
    assert "  scored    1 of 2; not yet: voc_r50 seed 0" in lines


@pytest.fixture
def done(root):
    write_json(root / "data/demo/voc/manifest.json", {})
    make(root, "voc_r50", "train.json", "metrics.json")
    hashes = {"metrics.json": sha256_file(root / "runs/demo/voc_r50-s0/metrics.json")}
    rows = [{"run": "voc_r50", "seed": 0, "kind": "trained", "hashes": hashes}]
    write_json(root / "results/demo/results.json", {"runs": rows})
    for name in ("index.html", "README.md"):
        (root / "results/demo" / name).touch()
    return root


def test_when_all_exists_only_reading_is_left(done: Path) -> None:
    page = "#/experiments/1/runs"
    write_json(done / "logs/demo/tracked.json", {"store": "mlflow.db", "page": page})
    assert said(done, "again", runs="voc_r50").splitlines()[2:] == [
        "  prepared  1 of 1, in data/demo/",
        "  trained   1 of 1, in runs/demo/",
        "  scored    1 of 1, in runs/demo/",
        "  tables    results/demo/index.html, results/demo/README.md",
        "",
        "Next",
        "  pointrend --scale demo report --show               prints the table",
        "  pointrend --scale demo verify                      recomputes every hash and",
        f"{'':53}every mIoU behind it",
        "  mlflow ui --backend-store-uri sqlite:///mlflow.db  serves runs and curves at",
        f"{'':53}the address below",
        "  pointrend --scale paper plan                       shows what the published",
        f"{'':53}recipe requires",
        "",
        "MLflow  http://127.0.0.1:5000/#/experiments/1/runs",
    ]
    write_json(done / "logs/demo/tracked.json", {"store": "http://server:5000/", "page": page})
    assert said(done, runs="voc_r50").endswith("\nMLflow  http://server:5000/#/experiments/1/runs\n")


@pytest.mark.parametrize("change", ["scored again", "gone"])
def test_pages_of_other_scores_do_not_count(done, change):
    metrics = done / "runs/demo/voc_r50-s0/metrics.json"
    if change == "gone":
        metrics.unlink()
    else:
        metrics.write_text(metrics.read_text() + " ")
    text = said(done, "again", runs="voc_r50")
    assert "  tables    out of date: they show other scores" in text
    assert "  again  makes the rest" in text
    assert "verify" not in text


def test_what_was_released_and_audited_is_told_at_scale_paper(root):
    write_json(root / "runs/paper/voc_r50-released/metrics.json", {})
    lines = said(root, scale="paper", runs="voc_r50").splitlines()
    assert "  released  1 of 1, in runs/paper/" in lines
    assert "  audited   0 of 1; not yet: voc_r50" in lines


def test_the_rest_is_made_by_what_was_asked_for(root):
    config = {"scale": "paper", "runs": "voc_r50", "seeds": "0,1", "gpus": 2, "cluster": "slurm"}
    asked = "scale=paper runs=voc_r50 seeds=0,1 gpus=2"
    assert Workflow.from_config(config, root).whole_command() == (
        f"snakemake --cores all --profile slurm --config {asked}"
    )
    assert Workflow.from_config({}, root).whole_command() == "snakemake --cores all --config scale=demo"
