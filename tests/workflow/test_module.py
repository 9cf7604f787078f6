"""Another workflow can use this one as a module, beside rules of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.workflow.checkout import Checkout

OUTER = """
module pointrend:
    snakefile: "{snakefile}"
    config: {{"scale": "demo", "runs": "voc_r50"}}


use rule * from pointrend as pointrend_*


rule mine:
    default_target: True
    input:
        "results/demo/results.json",
    output:
        "mine.txt",
    shell:
        "wc -c < {{input}} > {{output}}"
"""


def test_another_workflow_uses_this_one(tmp_path: Path) -> None:
    inner = Checkout(tmp_path / "pointrend")
    outer = tmp_path / "outer"
    outer.mkdir()
    (outer / "Snakefile").write_text(OUTER.format(snakefile=inner.root / "Snakefile"))
    for name in ("params.yaml", "published", "README.md"):
        (shutil.copytree if (inner.root / name).is_dir() else shutil.copy)(inner.root / name, outer / name)
    printed = inner.run("snakemake", "--cores", "2", "--directory", str(outer), "--snakefile", str(outer / "Snakefile"))
    assert int((outer / "mine.txt").read_text()) == (outer / "results/demo/results.json").stat().st_size
    assert "pointrend_train" in printed
    assert not (inner.root / "runs").exists()
