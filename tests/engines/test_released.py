"""What only scale paper has, by either engine: released weights are scored without any training, and logs audited."""

import json
import shutil
from typing import Any

import pytest

from pointrend.archives.loopback import serve_folder
from tests.engines.conftest import small_checkout
from tests.mirrors import set_urls
from tests.released import FIRST_NAME, THIN, noise_masks, offer_voc, offer_weights, serve_from, thin_state
from tests.results.audit.samples import LOGS, S21, VOC_R50, write_config
from tests.workflow.checkout import Checkout, keep_dataset

SNAKEMAKE = ("snakemake", "--cores", "2", "released", "--config", "scale=paper", "runs=voc_r50")
NAMES = ("pointrend_resnet50os8_voc_train.log", "pointrend_resnet50os8_voc.py", "base_cfg.py")
AUDIT = "runs/paper/voc_r50-published/audit.json"


@pytest.fixture(scope="module")
def offering(tmp_path_factory):
    """A checkout whose scale paper is thin, and whose files come from a server of its own."""
    root = tmp_path_factory.mktemp("released")
    checkout, offered = small_checkout(root / "pointrend"), root / "offered"
    params = checkout.params()
    offer_voc(offered, noise_masks(), params, checkout.root)
    offer_weights(offered / FIRST_NAME, thin_state())
    # DVC first asks for the plan of all trainings, for which a batch of 16 would be too large here. The number of
    # threads is recorded, and must not be left to the engines.
    params["scales"]["paper"] |= {"recipe": {**THIN, "batch_size": 1, "gpus": 1, "threads": 1}, "pictures": 1}
    with serve_folder(offered) as url:
        serve_from(url, checkout.root)
        checkout.write_params(params)
        yield checkout


def rows_of(checkout: Checkout) -> list[dict[str, Any]]:
    """The rows of results.json without what only one of two checkouts has: a commit, and the record that names it."""
    rows = json.loads((checkout.root / "results/paper/results.json").read_text())["runs"]
    for row in rows:
        row["hashes"].pop("evaluate.json", None)
        del row["provenance"]
    return rows


def test_both_engines_score_released_weights_without_any_training(offering, tmp_path):
    by_dvc = offering.copy(tmp_path / "pointrend")
    offering.run(*SNAKEMAKE)
    rows = rows_of(offering)
    assert [(row["run"], row["kind"], row["verdict"]) for row in rows] == [
        ("voc_r50", "trained", "not run"),
        ("voc_r50", "released", "not comparable"),
        ("voc_r101", "trained", "not run"),
        ("voc_r101", "released", "not run"),
    ]
    assert "width 4 (published 64)" in rows[1]["reasons"]
    assert (offering.root / "results/paper/index.html").is_file()
    assert sorted(path.name for path in (offering.root / "runs/paper").iterdir()) == ["voc_r50-released"]
    assert "1 mIoU recomputed" in offering.run("pointrend", "--scale", "paper", "verify")
    assert "evaluate_released" not in offering.run(*SNAKEMAKE, "-n", "--quiet", "reason")
    (offering.root / "build").mkdir()
    offering.run(*SNAKEMAKE, "--report", "build/report.html")
    assert "<p>Scores that the weights released for voc_r50 have" in (offering.root / "build/report.html").read_text()

    by_dvc.write_params(by_dvc.params() | {"scale": "paper", "published_scales": ["paper"]})
    by_dvc.run("dvc", "repro", "evaluate_released@paper-voc-r50")
    by_dvc.run("dvc", "repro", "--single-item", "compare@paper", "report@paper")
    assert rows_of(by_dvc) == rows
    assert not (by_dvc.root / "runs/paper/voc_r50-s0").exists()
    assert "dvc would still run" in by_dvc.run("pointrend", "bridge", "snakemake", expect=3)


def test_dvc_is_asked_for_the_scores_that_belong_to_the_scale(offering, tmp_path):
    checkout = offering.copy(tmp_path / "pointrend")
    checkout.write_params(checkout.params() | {"scale": "paper"})
    (line,) = checkout.run("pointrend", "bridge", "snakemake", expect=3).splitlines()
    assert line.startswith("error: dvc has not scored the released weights or audited the published logs ")
    assert "write published_scales: [paper]" in line


@pytest.fixture
def publishing(tmp_path):
    """A checkout at scale paper; what is published for voc_r50 comes from this machine."""
    offered = tmp_path / "offered"
    write_config(offered, VOC_R50).rename(offered / NAMES[1])
    shutil.copy(LOGS / S21, offered / NAMES[0])
    checkout = Checkout(tmp_path / "pointrend")
    params = checkout.params() | {"scale": "paper", "published_scales": ["paper"]}
    keep_dataset(params, "voc")
    with serve_folder(offered) as url:
        set_urls({name: [f"{url}/{name}"] for name in NAMES}, checkout.root)
        checkout.write_params(params)
        checkout.git("init", "--quiet")
        yield checkout


@pytest.mark.parametrize("command", [f"snakemake --cores 2 {AUDIT}", "dvc repro audit@paper-voc-r50"])
def test_a_log_is_fetched_audited_and_evidence(publishing, command):
    publishing.run(*command.split())
    assert json.loads((publishing.root / AUDIT).read_text())["agrees"] is True
    publishing.run("pointrend", "compare")
    rows = rows_of(publishing)
    trained = [(row["run"], row["verdict"], row["evidence"]) for row in rows if row["kind"] == "trained"]
    assert trained == [("voc_r50", "not run", "log"), ("voc_r101", "not run", "inputs")]
    files = rows[0]["audit"]["files"]
    assert files.keys() == set(NAMES)
    assert files[NAMES[0]]["source"].endswith(NAMES[0])
