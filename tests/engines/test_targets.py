"""Targets as they are typed after `snakemake`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pointrend.engines.targets import RULES, TARGETS, check_targets
from pointrend.errors import ParamsError
from pointrend.settings.project import Project

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project() -> Project:
    return Project.load(ROOT / "params.yaml", "demo")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("-n voc-r50", "there is no target 'voc-r50' (did you mean 'voc_r50'?)"),
        ("VOC_R50 --cores 2", "there is no target 'VOC_R50' (did you mean 'voc_r50'?)"),
        ("--cores all releasd", "there is no target 'releasd' (did you mean 'released'?)"),
        ("voc_r101 --config runs=voc_r50", "the target voc_r101 is none of the wanted runs voc_r50"),
        ("released", "scale demo has no released weights of voc_r50"),
    ],
)
def test_a_wrong_target_is_told_with_the_right_one(project: Project, words: str, what: str) -> None:
    with pytest.raises(ParamsError) as error:
        check_targets(project, ("voc_r50",), words.split())
    assert error.value.what == what


@pytest.mark.parametrize(
    "words",
    [
        "--cores all trained evaluated data voc_r50",
        "--quiet reason --rerun-triggers code input mtime params software-env",
        "--profile slurm --config scale=demo runs=voc-r50",
        "--forcerun train runs/demo/voc_r50-s0/train.json --report build/report.html",
        "--scheduler greedy --mode remote --until evaluate --omit-from report --executor slurm",
    ],
)
def test_other_words_are_left_to_snakemake(project: Project, words: str) -> None:
    check_targets(project, ("voc_r50",), words.split())


def test_the_rules_are_those_of_the_snakefile() -> None:
    text = "\n".join(path.read_text() for path in [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")])
    named = set(re.findall(r"^ *rule (\w+):$", text, re.MULTILINE))
    assert named == {*TARGETS, *RULES}
