"""The whole DAG of six runs under snakemake, tiny; what a change redoes is in tests/engines/test_situations.py."""

from collections import Counter

import pytest

from pointrend.engines.workflow import Workflow
from pointrend.errors import ParamsError
from pointrend.files import read_json
from tests.workflow.checkout import ROOT, Checkout

RUNS = ("voc_r50", "voc_r101", "ade20k_r50", "ade20k_r101", "cityscapes_r50", "cityscapes_r101")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("checkout") / "pointrend")
    printed = checkout.snakemake()
    assert "  scored    6 of 6, in runs/demo/\n  tables    results/demo/index.html" in printed
    assert "\nJob 0: all results of scale demo are made\n" in printed
    return checkout


def test_all_stages_run_once_and_leave_their_files(done):
    results = read_json(done.root / "results/demo/results.json")
    assert [row["run"] for row in results["runs"]] == list(RUNS)
    for row in results["runs"]:
        assert (row["verdict"], row["difference"]) == ("not comparable", None)
        record = read_json(done.root / f"runs/demo/{row['run']}-s0/train.json")
        assert (record["setting"]["recipe"]["output_stride"], record["machine"]["threads"]) == (32, 1)
        for ending in ("log", "tsv"):
            assert (done.root / f"logs/demo/train-{row['run']}-s0.{ending}").is_file()
    assert "6 mIoU recomputed from their counts: all match" in done.run("pointrend", "verify")


def test_the_boxes_of_the_graph_name_their_runs(done):
    boxes = done.run("snakemake", "--dag")
    for rule in ("train", "evaluate"):
        assert [run for run in RUNS if f'label = "{rule}\\nrun: {run}\\nseed: 0"' not in boxes] == []


def test_a_second_run_has_nothing_to_do(done):
    assert done.planned() == Counter()
    assert "Nothing to be done" in done.snakemake()


def test_touched_files_with_the_same_content_redo_nothing(done):
    """A clone or a checkout gives every file a new time."""
    for name in ("params.yaml", "published/pointrend_table.json"):
        (done.root / name).touch()
    for path in (done.root / "data/demo").rglob("*"):
        path.touch()
    assert done.planned() == Counter()


def test_runs_seeds_and_targets_select(done):
    assert done.planned("runs=voc_r50", "seeds=1,2") == Counter(train=2, evaluate=2, compare=1, report=1, track=1)
    output = done.run("snakemake", "--cores", "2", "-n", "--forceall", "voc_r101")
    assert "runs/demo/voc_r101-s0/metrics.json" in output
    assert "voc_r50" not in output
    assert "  scored  " not in output
    assert "evaluate" not in done.run("snakemake", "--cores", "2", "-n", "--forceall", "trained")


def test_another_scale_uses_other_folders_and_the_backbones(done):
    once = {"prepare": 1, "compare": 1, "report": 1, "track": 1}
    planned = done.planned("scale=paper", "runs=voc_r50,voc_r101")
    assert planned == Counter(fetch=9, train=2, evaluate=2, evaluate_released=2, audit=2, **once)
    pilot = ("scale=pilot", "runs=voc_r50", "pretrained=false")
    assert done.planned(*pilot) == Counter(fetch=2, train=1, evaluate=1, **once)
    command = done.run("snakemake", "-n", "-p", "--config", *pilot)
    assert "pointrend --scale pilot --set pretrained=false train voc_r50 --seed 0" in command


@pytest.mark.parametrize(
    "config_and_words",
    [
        ("runs=voc_r5", "no run 'voc_r5' (did you mean 'voc_r50'?)"),
        ("scal=paper", "'scal' (did you mean 'scale'?)"),
        ("scale=papr", "no scale 'papr' (did you mean 'paper'?)"),
        ("runs=", "--config runs= has no value"),
        ("runs=,", "--config runs=, names nothing"),
        ("runs=voc_r50, voc_r50", "--config runs=voc_r50, voc_r50 names voc_r50 twice"),
        ("seeds=0,x", "--config seeds=0,x", "'x' is no"),
        ("seeds=1,0,00", "--config seeds=1,0,00 names 0 twice"),
        ("seeds=0,4294967296", "'4294967296' is no", "from 0 to 4294967295"),
    ],
)
def test_a_wrong_config_is_an_error(config_and_words):
    config, *words = config_and_words
    key, _, value = config.partition("=")
    with pytest.raises(ParamsError) as error:
        Workflow.from_config({key: value or None}, ROOT)
    assert [word for word in words if word not in str(error.value)] == []


def test_a_wrong_config_is_one_line(done):
    output = done.run("snakemake", "-n", "--config", "gpus=3", expect=2)
    (line,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert "batch_size 4 cannot be divided among 3 " in line
    assert "Traceback" not in output


def test_a_failing_job_names_its_log(done):
    """This leaves the checkout without a run, so it comes last."""
    params = done.params()
    params["runs"]["voc_r50"] |= {"lr": 1000.0, "warmup_iterations": 0}
    done.write_params(params)
    output = done.run("snakemake", "--cores", "2", "voc_r50", expect=1)
    assert "error: the loss is not finite at iteration" in output
    assert "log: logs/demo/train-voc_r50-s0.log (check log file(s) for error details)" in output
    assert "A job failed: the messages above name its log." in output
    assert "  scored    5 of 6; not yet: voc_r50 seed 0" in output
    assert "Traceback (most recent call last)" not in output
