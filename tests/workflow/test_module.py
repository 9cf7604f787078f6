"""The workflow for others: Snakemake's linter, its use as a module, and with --software-deployment-method conda.

conda is played by a script that notes how it was called and makes an environment of two programs.
"""

import os
import shlex
import sys
from pathlib import Path

import pytest

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


def test_snakemakes_linter_finds_nothing(tmp_path):
    found = Checkout(tmp_path / "pointrend").run("snakemake", "--lint")
    assert found == "Congratulations, your workflow is in a good condition!\n"


def test_another_workflow_uses_this_one(tmp_path):
    inner, outer = Checkout(tmp_path / "pointrend"), tmp_path / "outer"
    copy_parts(outer, ("published", "README.md"))
    (outer / "params.yaml").write_bytes((inner.root / "params.yaml").read_bytes())
    (outer / "Snakefile").write_text(OUTER.format(snakefile=inner.root / "Snakefile"))
    printed = inner.run("snakemake", "--cores", "2", "--directory", str(outer), "--snakefile", str(outer / "Snakefile"))
    assert int((outer / "mine.txt").read_text()) == (outer / "results/demo/results.json").stat().st_size
    assert "pointrend_train" in printed
    assert not (inner.root / "runs").exists()


CONDA = """#!/usr/bin/env bash
case "$1 $2" in
    "info --json") echo '{{"conda_prefix": "{home}", "platform": "linux-64"}}' ;;
    "--version "*) echo conda 24.7.1 ;;
    "config --get") echo '{{"get": {{"channel_priority": "strict"}}}}' ;;
    "env create")
        for prefix; do :; done
        mkdir --parents "$prefix/bin"
        cp {home}/python {home}/pointrend "$prefix/bin" ;;
esac
"""
NOTES = """#!/usr/bin/env bash
echo "{name} $*" >> {home}/notes
{then}
"""


@pytest.fixture
def conda(tmp_path, monkeypatch):
    home = tmp_path / "conda"
    (home / "bin").mkdir(parents=True)
    real = shlex.quote(str(Path(sys.executable).with_name("pointrend")))
    programs = {
        "bin/activate": 'export PATH="$1/bin:$PATH"\n',
        "bin/conda": CONDA.format(home=home),
        "python": NOTES.format(name="python", home=home, then=""),
        "pointrend": NOTES.format(name="pointrend", home=home, then=f'exec {real} "$@"'),
    }
    for name, text in programs.items():
        (home / name).write_text(text)
        (home / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{home / 'bin'}:{os.environ['PATH']}")
    return home


def test_jobs_run_in_the_environment_that_conda_made(conda, tmp_path):
    checkout = Checkout(tmp_path / "pointrend")
    target = "data/demo/archives/backbone_r50.json"
    checkout.run("snakemake", target, "--cores", "1", "--software-deployment-method", "conda")
    install = "python -m pip install --disable-pip-version-check --no-deps"
    assert (conda / "notes").read_text().splitlines() == [
        f"{install} --require-hashes -r requirements.lock",
        f"{install} --no-build-isolation -e .",
        "pointrend --scale demo fetch backbone_r50",
    ]
