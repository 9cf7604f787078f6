"""Two runs side by side."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pointrend.cli import main
from pointrend.evaluation.confusion import Counts
from pointrend.evaluation.counts_file import counts_table, write_counts
from tests.results.runs import edit, finish, released, selected
from tests.tiny import ROOT


@pytest.fixture(autouse=True)
def two(tmp_path, monkeypatch):
    """The folders of seeds 0 and 1 of voc_r50; the second one is better at its second class, and worse at its first."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    runs = [selected(Path("runs/demo"), "voc_r50", seed) for seed in (0, 1)]
    for run in runs:
        finish(run)
    setting = {"dataset": "voc", "depth": 50, "recipe": {"output_stride": 32, "epochs": 6, "classes": ["long"] * 99}}
    edit(runs[1], "train.json", setting=setting)
    edit(runs[1], "metrics.json", miou=60.0, iou={"background": 40.0, "bicycle": 50.0, "aeroplane": None})
    first, second = (Counts(*np.array(rows)) for rows in ([[4, 2], [6, 2], [4, 4]], [[2, 1], [3, 1], [2, 2]]))
    write_counts(runs[1].folder / "confusion.parquet", counts_table({"a": first, "b": second}, 2))
    return [run.folder for run in runs]


@pytest.fixture
def said(capsys):
    def shown(words: str, code: int = 0) -> str:
        assert main(["diff", *words.split()]) == code
        out, err = capsys.readouterr()
        assert [line for line in out.splitlines() if len(line) > 80] == []
        return " ".join(f"{out}{err}".split()).replace("…", "")

    return shown


def test_everything_that_differs_is_shown_the_largest_difference_first(said):
    text = said("voc_r50 voc_r50:1")
    assert text.startswith("A runs/demo/voc_r50-s0 B runs/demo/voc_r50-s1 made with A B recipe.epochs 60 6 ")
    assert " recipe.classes – ['long', 'long'," in text
    assert " seed 0 1 " in text
    assert "output_stride" not in text
    assert " scores, % A B B - A mIoU 48.86 60.00 +11.14 mIoU before refinement 50.00 50.00 +0.00 " in text
    assert " loss 0.5000 0.5000 +0.0000 loss_point 0.3750 " in text
    assert text.endswith(" IoU, % A B B - A background 72.73 40.00 -32.73 bicycle 25.00 50.00 +25.00 aeroplane – – –")


def test_the_interval_is_that_of_the_same_images(said, two):
    """Of two: its ends are the differences of each alone, 100 * (2/3 + 1/2) / 2 less 31.25 and 100."""
    assert " mIoU, B - A: -41.67 to +27.08 with other images (95 %)" in said("voc_r50 voc_r50:1")
    zero = Counts(*np.zeros((3, 2), int))
    write_counts(two[1] / "confusion.parquet", counts_table({"another": zero}, 2))
    assert " no interval of the difference: they were not scored on the same images" in said("voc_r50 voc_r50:1")


def test_a_folder_of_another_checkout_that_is_the_same(said, two):
    shutil.copytree(two[0], "elsewhere/voc_r50-s0")
    assert " the same settings, data, code and machine scores," in said("voc_r50 elsewhere/voc_r50-s0")


def test_released_weights_have_no_losses(said):
    finish(released(Path("runs/demo")))
    text = said("voc_r50 voc_r50:released")
    assert " gpus 4 None" in text
    assert "last losses" not in text


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("voc_r5", "there is no run or folder 'voc_r5' (did you mean 'voc_r50'?)"),
        ("voc_r50:x", "voc_r50:x: 'x' is not a whole number"),
        ("voc_r50:2", "runs/demo/voc_r50-s2/metrics.json does not exist; train and score it again, or name another"),
        ("published", "there is no run or folder 'published'"),
    ],
)
def test_what_is_no_run_is_one_line(said, words, what):
    assert said(f"voc_r50 {words}", code=2).startswith(f"error: {what}")


@pytest.mark.parametrize("content", ["", "{}", '{"loss": 1, "loss_point": 1, "loss_coarse": "x"}', "[]"])
def test_a_damaged_log_is_one_line(said, two, content):
    (two[1] / "metrics.jsonl").write_text(content + "\n")
    assert "metrics.jsonl has " in said("voc_r50 voc_r50:1", code=2)


@pytest.mark.parametrize("key", ["iou", "coarse"])
def test_a_damaged_record_is_one_line(said, two, key):
    path = two[0] / "metrics.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {key: 1}))
    assert f"metrics.json has a value of the wrong type in {key}; " in said("voc_r50 voc_r50:1", code=2)
    path.write_text(json.dumps(record | {key: {"miou": "x"}}))
    assert "metrics.json has the value 'x' for " in said("voc_r50 voc_r50:1", code=2)
