"""`pointrend export`: our weights as a checkpoint of SSSegmentation, which scores as ours do, and with a model card."""

import contextlib
import json
import shutil
from pathlib import Path

import pytest
import torch

import pointrend
from pointrend.cli import main
from pointrend.evaluation.counts_file import read_counts
from pointrend.files import sha256_file, write_json
from tests.golden_files import published_state
from tests.needs import validator
from tests.tiny import ROOT, TINY, write_tiny_data

# What a model hub reads from a card, by its own reader.
READ_CARD = """
import json, sys, huggingface_hub
print(json.dumps([vars(one) for one in huggingface_hub.ModelCard.load(sys.argv[1]).data.eval_results]))
"""
RUN = Path("runs/demo/voc_r50-s0")
OF_THE_WEIGHTS = {"fingerprint", "model_sha256"}  # keys of metrics.json that describe the weights, not the score


@pytest.fixture(scope="module", autouse=True)
def _trained(tmp_path_factory):
    """The working folder is a checkout with a tiny run, trained and scored."""
    with contextlib.chdir(tmp_path_factory.mktemp("export")):
        Path("params.yaml").write_text((ROOT / "params.yaml").read_text())
        shutil.copytree(ROOT / "published", "published")
        write_tiny_data(Path("data/demo/voc"))
        assert tiny("train voc_r50") == tiny("evaluate voc_r50") == 0
        yield


def tiny(words: str) -> int:
    sets = [word for value in TINY for word in ("--set", value)]
    return main(["--scale", "demo", *sets, *words.split()])


def test_exported_weights_score_as_the_trained_ones_do(capsys):
    capsys.readouterr()
    assert tiny("export voc_r50 --out exported.pth") == 0
    assert capsys.readouterr().out == "exported.pth: voc_r50 seed 0 after 2 epochs\n"
    content = torch.load("exported.pth", weights_only=True)
    assert content.keys() == {"model", "cur_epoch"}
    assert content["cur_epoch"] == 2
    assert content["model"].keys() == published_state("r50_voc").keys()
    assert tiny("evaluate voc_r50 --weights exported.pth --out scored") == 0
    ours, theirs = (json.loads((folder / "metrics.json").read_text()) for folder in (RUN, Path("scored")))
    assert theirs["model_sha256"] == sha256_file(Path("exported.pth"))
    same = ours.keys() - OF_THE_WEIGHTS
    assert {key: theirs[key] for key in same} == {key: ours[key] for key in same}
    assert (Path("scored") / "confusion.parquet").read_bytes() == (RUN / "confusion.parquet").read_bytes()
    assert read_counts(RUN / "confusion.parquet").images == 12


def test_a_folder_has_all_that_a_model_hub_takes(capsys):
    assert tiny("compare") == tiny("export voc_r50 --out hub") == 0
    files = ("README.md", "confusion.parquet", "metrics.json", "model.safetensors")
    assert sorted(path.name for path in Path("hub").iterdir()) == sorted(files)
    row = next(row for row in json.loads(Path("results/demo/results.json").read_text())["runs"] if row["seed"] == 0)
    (read,) = json.loads(validator("python", "-c", READ_CARD, "hub/README.md"))
    assert (read["metric_type"], read["metric_value"], read["metric_name"]) == ("mean_iou", row["miou"], "mIoU")
    assert (read["dataset_type"], read["dataset_split"]) == ("demo-voc", "val")
    assert read["dataset_name"] == "images drawn in the style of PASCAL VOC 2012"
    assert read["metric_args"]["verdict"] == row["verdict"] == "not comparable"
    assert read["metric_args"]["comparable"] is False
    assert sha256_file(Path("hub/confusion.parquet")) in read["source_name"]
    for source in ("hub", "hub/model.safetensors"):
        assert pointrend.load(source).description["miou"] == row["miou"]

    capsys.readouterr()
    assert tiny("export voc_r50 --out hub") == 2
    assert capsys.readouterr().err == "error: --out hub already exists; name a new or an empty folder\n"
    (RUN / "metrics.json").rename("kept")
    (RUN / "metrics.json").write_text(Path("kept").read_text() + " ")
    assert tiny("export voc_r50 --out hub2") == 3
    assert "metrics.json is not the one that results.json names; run `pointrend compare`" in capsys.readouterr().err
    Path("kept").replace(RUN / "metrics.json")
    assert not Path("hub2").exists()


def test_a_folder_is_complete_or_missing(monkeypatch, capsys):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    assert tiny("compare") == 0
    with monkeypatch.context() as patch:
        patch.setattr("pointrend.commands.export.model_card", full)
        assert tiny("export voc_r50 --out half/hub") == 2
    assert list(Path("half").iterdir()) == []
    Path("half/hub").mkdir()
    assert tiny("export voc_r50 --out half/hub") == 0
    assert [path.name for path in Path("half").iterdir()] == ["hub"]


def test_what_cannot_be_exported_is_one_line(capsys):
    record = json.loads((RUN / "train.json").read_text())
    write_json(RUN / "train.json", record | {"model_sha256": "0" * 64})
    train = "run: pointrend --scale demo train"
    cases = {
        "export voc_r50 --out exported.pt": (
            2,
            "--out must end in .pth or .safetensors, or be a folder, got exported.pt",
        ),
        "export voc_r50 --seed 1 --out exported.pth": (2, f"train.json does not exist; {train}"),
        "export voc_r50 --out exported.pth": (3, "model.safetensors is not the one that train.json names"),
    }
    for words, (code, expected) in cases.items():
        capsys.readouterr()
        assert tiny(words) == code
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert expected in error
    assert not list(Path().glob("new*"))
