"""The workflow beside others: what Snakemake's linter reports, and another workflow that uses this one as a module."""

from __future__ import annotations

from pathlib import Path

from tests.workflow.checkout import Checkout, copy_parts

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


def test_snakemakes_linter_finds_nothing(tmp_path: Path) -> None:
    found = Checkout(tmp_path / "pointrend").run("snakemake", "--lint")
    assert found == "Congratulations, your workflow is in a good condition!\n"


def test_another_workflow_uses_this_one(tmp_path: Path) -> None:
    inner, outer = Checkout(tmp_path / "pointrend"), tmp_path / "outer"
    copy_parts(outer, ("published", "README.md"))
    (outer / "params.yaml").write_bytes((inner.root / "params.yaml").read_bytes())
    (outer / "Snakefile").write_text(OUTER.format(snakefile=inner.root / "Snakefile"))
    printed = inner.run("snakemake", "--cores", "2", "--directory", str(outer), "--snakefile", str(outer / "Snakefile"))
    assert int((outer / "mine.txt").read_text()) == (outer / "results/demo/results.json").stat().st_size
    assert "pointrend_train" in printed
    assert not (inner.root / "runs").exists()
