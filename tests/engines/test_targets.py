"""Targets as they are typed after `snakemake`."""

from dataclasses import replace

import pytest

from pointrend.engines.workflow import Workflow
from pointrend.errors import ParamsError
from tests.tiny import ROOT


@pytest.fixture
def wanted():
    return replace(Workflow.from_config({"scale": "demo"}, ROOT), runs=("voc_r50",))


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("-n voc-r50", "there is no target 'voc-r50' (did you mean 'voc_r50'?)"),
        ("VOC_R50 --cores 2", "there is no target 'VOC_R50' (did you mean 'voc_r50'?)"),
        ("--cores all releasd", "there is no target 'releasd' (did you mean 'released'?)"),
        ("voc_r101 --config runs=voc_r50", "the target voc_r101 is not one of the wanted runs voc_r50"),
        ("released", "scale demo has no released weights of voc_r50"),
    ],
)
def test_a_wrong_target_is_reported_with_the_right_one(wanted, words, what):
    with pytest.raises(ParamsError) as error:
        wanted.check_targets(words.split())
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
def test_other_words_are_left_to_snakemake(wanted, words):
    wanted.check_targets(words.split())
