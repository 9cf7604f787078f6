"""The whole DAG under snakemake, tiny: what runs, what is redone after which change, and what is not."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from tests.mirrors import set_urls
from tests.workflow.checkout import Checkout

RUNS = ("voc_r50", "voc_r101", "ade20k_r50", "ade20k_r101", "cityscapes_r50", "cityscapes_r101")
ONE_RUN_AGAIN = Counter(train=1, evaluate=1, compare=1, report=1, track=1)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which the workflow has run to its end."""
    checkout = Checkout(tmp_path_factory.mktemp("checkout") / "pointrend")
    checkout.snakemake()
    return checkout


@pytest.fixture
def restored(done: Checkout):
    """The same, its params and code put back afterwards."""
    files = [
        done.root / "params.yaml",
        done.root / "pointrend/results/page/render.py",
        done.root / "pointrend/model/points.py",
    ]
    before = {path: path.read_bytes() for path in files}
    yield done
    for path, content in before.items():
        path.write_bytes(content)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_all_stages_run_once_and_leave_their_files(done: Checkout) -> None:
    results = json.loads((done.root / "results/demo/results.json").read_text())
    assert [row["run"] for row in results["runs"]] == list(RUNS)
    for row in results["runs"]:
        assert row["verdict"] == "not comparable"
        assert row["difference"] is None
        folder = done.root / f"runs/demo/{row['run']}-s0"
        assert row["hashes"]["model.safetensors"] == sha256(folder / "model.safetensors")
        assert row["hashes"]["confusion.parquet"] == sha256(folder / "confusion.parquet")
        pictures = json.loads((folder / "metrics.json").read_text())["pictures"]
        assert {path.name for path in (folder / "pictures").glob("*.png")} == set(pictures)
        assert {word for picture in pictures.values() for word in picture["shown_as"]} == {"best", "median", "worst"}
        record = json.loads((folder / "train.json").read_text())
        assert record["setting"]["recipe"]["output_stride"] == 32
        assert record["machine"]["threads"] == 1
        assert (done.root / f"logs/demo/train-{row['run']}-s0.log").is_file()
        assert (done.root / f"logs/demo/train-{row['run']}-s0.tsv").is_file()
    for dataset in ("voc", "ade20k", "cityscapes"):
        manifest = json.loads((done.root / f"data/demo/{dataset}/manifest.json").read_text())
        assert manifest["splits"]["train"]["images"] == 8
        assert manifest["pins"] == "demo"
        for name, record in manifest["files"].items():
            assert sha256(done.root / f"data/demo/{dataset}/{name}") == record["sha256"]


def test_a_second_run_has_nothing_to_do(done: Checkout) -> None:
    assert done.planned() == Counter()
    assert "Nothing to be done" in done.snakemake()


def test_another_lr_redoes_one_run_and_the_tables(restored: Checkout) -> None:
    params = restored.params()
    params["runs"]["voc_r50"]["lr"] = 0.01
    restored.write_params(params)
    assert restored.planned() == ONE_RUN_AGAIN
    assert restored.planned_runs() == {"voc_r50"}


def test_what_changes_no_result_redoes_nothing(restored: Checkout) -> None:
    params = restored.params()
    params["scales"]["demo"]["operation"] = {"workers": 1, "checkpoint_minutes": 7, "log_every": 2}
    restored.write_params(params)
    set_urls({"benchmark.tgz": ["https://example.org/elsewhere.tar"]}, restored.root)
    assert restored.planned() == Counter()


def test_a_changed_page_does_not_retrain(restored: Checkout) -> None:
    with open(restored.root / "pointrend/results/page/render.py", "a") as stream:
        stream.write("\n# changed\n")
    assert restored.planned() == Counter(compare=1, report=1, track=1)


def test_a_changed_network_retrains_everything(restored: Checkout) -> None:
    with open(restored.root / "pointrend/model/points.py", "a") as stream:
        stream.write("\n# changed\n")
    assert restored.planned() == Counter(train=6, evaluate=6, compare=1, report=1, track=1)


def test_touched_files_with_the_same_content_redo_nothing(done: Checkout) -> None:
    """A clone or a checkout gives every file a new time."""
    for path in (done.root / "data/demo").rglob("*"):
        path.touch()
    (done.root / "params.yaml").touch()
    (done.root / "published/pointrend_table.json").touch()
    assert done.planned() == Counter()


def test_a_removed_model_is_trained_again_to_the_same_bytes(done: Checkout) -> None:
    model = done.root / "runs/demo/voc_r50-s0/model.safetensors"
    before = sha256(model)
    model.unlink()
    assert done.planned()["train"] == 1
    assert "  scored    6 of 6, in runs/demo/\n  tables    results/demo/index.html" in done.snakemake()
    assert sha256(model) == before
    assert done.planned() == Counter()


def test_runs_seeds_and_targets_select(done: Checkout) -> None:
    assert done.planned("runs=voc_r50", "seeds=1,2") == Counter(train=2, evaluate=2, compare=1, report=1, track=1)
    output = done.run("snakemake", "--cores", "2", "-n", "--forceall", "voc_r101")
    assert "runs/demo/voc_r101-s0/metrics.json" in output
    assert "voc_r50" not in output
    assert "Scale demo: status" not in output
    assert "evaluate" not in done.run("snakemake", "--cores", "2", "-n", "--forceall", "trained")


def test_another_scale_uses_other_folders_and_the_backbones(done: Checkout) -> None:
    planned = done.planned("scale=paper", "runs=voc_r50,voc_r101")
    assert planned == Counter(
        fetch=9, prepare=1, train=2, evaluate=2, evaluate_released=2, audit=2, compare=1, report=1, track=1
    )
    planned = done.planned("scale=pilot", "runs=voc_r50", "pretrained=false")
    assert planned == Counter(fetch=2, prepare=1, train=1, evaluate=1, compare=1, report=1, track=1)
    command = done.run("snakemake", "-n", "-p", "--config", "scale=pilot", "runs=voc_r50", "pretrained=false")
    assert "pointrend --scale pilot --set pretrained=false train voc_r50 --seed 0" in command


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("runs=voc_r5", "there is no run 'voc_r5' (did you mean 'voc_r50'?)"),
        ("scal=paper", "--config has no key 'scal' (did you mean 'scale'?)"),
        ("scale=papr", "there is no scale 'papr' (did you mean 'paper'?)"),
        ("runs=", "--config runs= has no value"),
        ("runs=,", "--config runs=, names nothing"),
        ("runs=voc_r50, voc_r50", "--config runs=voc_r50, voc_r50 names voc_r50 twice"),
        ("seeds=0,x", "--config seeds=0,x: 'x' is not a whole number from 0"),
        ("seeds=1,0,00", "--config seeds=1,0,00 names 0 twice"),
        ("seeds=0,4294967296", "'4294967296' is not a whole number from 0 to 4294967295"),
        ("gpus=3", "batch_size 4 cannot be divided among 3 gpus"),
    ],
)
def test_a_wrong_config_is_one_line(done: Checkout, config: str, words: str) -> None:
    output = done.run("snakemake", "-n", "--config", config, expect=2)
    lines = [line for line in output.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert words in lines[0]
    assert "Traceback" not in output


def test_the_pages_hold_what_the_results_say(done: Checkout) -> None:
    done.run("pointrend", "report", "--check")
    page = done.root / "results/demo/README.md"
    before = page.read_text()
    page.write_text(before.replace("not comparable", "reproduced"))
    output = done.run("pointrend", "report", "--check", expect=3)
    page.write_text(before)
    assert "README.md is not what the results say" in output


def test_a_failing_job_names_its_log(restored: Checkout) -> None:
    params = restored.params()
    params["runs"]["voc_r50"] |= {"lr": 1000.0, "warmup_iterations": 0}
    restored.write_params(params)
    output = restored.run("snakemake", "--cores", "2", "voc_r50", expect=1)
    assert "error: the loss is not finite at iteration" in output
    assert "log: logs/demo/train-voc_r50-s0.log (check log file(s) for error details)" in output
    assert "A job failed: the messages above name its log." in output
    assert "  scored    5 of 6; not yet: voc_r50 seed 0" in output
    assert "Traceback (most recent call last)" not in output
