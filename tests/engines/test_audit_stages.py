"""The stages that only scale paper has, run for real by either engine on logs that a local server offers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointrend.archives.loopback import serve_folder
from tests.mirrors import set_urls
from tests.results.audit.samples import LOGS, S21, VOC_R50, write_config
from tests.workflow.checkout import Checkout, keep_dataset

NAMES = ("pointrend_resnet50os8_voc_train.log", "pointrend_resnet50os8_voc.py", "base_cfg.py")
AUDIT = "runs/paper/voc_r50-published/audit.json"


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
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
def test_a_log_is_fetched_audited_and_evidence(checkout: Checkout, command: str) -> None:
    checkout.run(*command.split())
    assert json.loads((checkout.root / AUDIT).read_text())["agrees"] is True
    checkout.run("pointrend", "compare")
    rows = json.loads((checkout.root / "results/paper/results.json").read_text())["runs"]
    trained = [(row["run"], row["verdict"], row["evidence"]) for row in rows if row["kind"] == "trained"]
    assert trained == [("voc_r50", "not run", "log"), ("voc_r101", "not run", "inputs")]
    files = rows[0]["audit"]["files"]
    assert files.keys() == set(NAMES)
    assert files[NAMES[0]]["source"].endswith(NAMES[0])
