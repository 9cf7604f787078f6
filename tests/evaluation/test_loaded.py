"""`pointrend.load`: from a run, a folder or a file to label maps in Python."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import pointrend
from pointrend.cli import main
from pointrend.errors import CheckFailed, ParamsError, PointrendError, WeightsError
from pointrend.evaluation.loaded import LoadedModel
from pointrend.files import write_json
from tests.tiny import ROOT, TINY, write_tiny_data

FOLDER = Path("runs/demo/voc_r50-s0")
PHOTO = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose params.yaml has a tiny demo run, trained and scored; with a photo in images/."""
    root = tmp_path_factory.mktemp("checkout")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv("POINTREND_SCALE", raising=False)
        Path("params.yaml").write_text((ROOT / "params.yaml").read_text())
        write_tiny_data(Path("data/demo/voc"))
        exports = (f"export voc_r50 --out {name}" for name in ("voc.pth", "described.safetensors"))
        for words in ("train voc_r50", "evaluate voc_r50", *exports):
            assert main(["--scale", "demo", *(word for of in TINY for word in ("--set", of)), *words.split()]) == 0
        Path("images").mkdir()
        cv2.imwrite("images/photo.png", PHOTO[..., ::-1])
    return root


@pytest.fixture(autouse=True)
def _there(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout)
    monkeypatch.delenv("POINTREND_SCALE", raising=False)


@pytest.mark.parametrize("source", ["voc_r50", FOLDER, str(FOLDER / "model.safetensors"), "described.safetensors"])
def test_a_run_a_folder_and_a_file_are_the_same_network(source: str | Path) -> None:
    words = ["predict", "voc_r50", "--weights", str(FOLDER / "model.safetensors"), "--images", "images", "--out", "out"]
    assert main(["--scale", "demo", *(word for of in TINY for word in ("--set", of)), *words]) == 0
    with Image.open("out/photo.png") as predicted:
        expected = np.asarray(predicted)
    model = pointrend.load(source)
    assert (model.setting.run, model.description["seed"], model.network.training) == ("voc_r50", 0, False)
    for image in ("images/photo.png", Path("images/photo.png"), PHOTO, Image.fromarray(PHOTO)):
        np.testing.assert_array_equal(model.segment(image).labels, expected)


def test_a_label_map_has_names_colours_and_shares() -> None:
    segmented = pointrend.load("voc_r50").segment(PHOTO)
    assert (segmented.names[:2], segmented.palette.shape) == (("background", "aeroplane"), (21, 3))
    assert sum(segmented.shares().values()) == pytest.approx(1)
    assert list(segmented.shares().values()) == sorted(segmented.shares().values(), reverse=True)
    np.testing.assert_array_equal(np.asarray(segmented.colored()), segmented.palette[segmented.labels])
    np.testing.assert_array_equal(segmented.image, PHOTO)
    expected = 0.45 * PHOTO + 0.55 * segmented.palette[segmented.labels]
    np.testing.assert_allclose(np.asarray(segmented.overlay()), expected, atol=0.51)


def test_logits_give_the_label_map() -> None:
    model = pointrend.load("voc_r50")
    logits = model.logits(PHOTO)
    assert (logits.shape, logits.dtype) == ((21, 40, 52), torch.float32)  # 40 x 50, rounded up to multiples of 4
    enlarged = torch.nn.functional.interpolate(logits[None], (40, 50), mode="bilinear", align_corners=False)
    assert (enlarged[0].argmax(0).numpy() == model.segment(PHOTO).labels).mean() > 0.999


def test_a_described_file_states_what_it_is() -> None:
    metrics = json.loads((FOLDER / "metrics.json").read_text())
    train = json.loads((FOLDER / "train.json").read_text())
    description = pointrend.load("described.safetensors").description
    assert {key: description[key] for key in ("run", "seed", "scale", "dataset", "miou", "fingerprint")} == {
        **{"run": "voc_r50", "seed": 0, "scale": "demo", "dataset": "voc"},
        **{"miou": metrics["miou"], "fingerprint": train["fingerprint"]},
    }
    assert (description["classes"][15], len(description["classes"])) == ("person", 21)


def test_a_released_checkpoint_needs_its_run(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"voc.pth does not describe its network; name its run, for example run='voc"):
        pointrend.load("voc.pth")
    text = Path("params.yaml").read_text()
    for key, demo, tiny in (
        ("width", 8, 4),
        ("fpn_channels", 32, 8),
        ("scale_channels", 16, 8),
        ("point_channels", 32, 8),
    ):
        text = text.replace(f"      {key}: {demo}\n", f"      {key}: {tiny}\n")
    (tmp_path / "params.yaml").write_text(text)
    released = pointrend.load("voc.pth", run="voc_r50", scale="demo", params=tmp_path / "params.yaml")
    ours = pointrend.load("voc_r50").network.state_dict()
    assert all(torch.equal(value, ours[name]) for name, value in released.network.state_dict().items())
    with pytest.raises(WeightsError, match="does not fit this model"):  # the demo's own networks are wider
        pointrend.load("voc.pth", run="voc_r50", scale="demo")


@pytest.mark.parametrize(
    ("source", "more", "error", "message"),
    [
        ("voc-r50", {}, ParamsError, r"there is no run 'voc-r50' \(did you mean 'voc_r50'\?\)"),
        ("voc_r101", {}, WeightsError, "runs/demo/voc_r101-s0 has no finished training; train it first"),
        ("voc_r50", {"seed": 3}, WeightsError, "runs/demo/voc_r50-s3 has no finished training"),
        ("none.safetensors", {}, WeightsError, "none.safetensors does not exist"),
        ("images", {}, WeightsError, "images/train.json does not exist; name the folder of a finished training"),
        ("voc_r50", {"scale": "papr"}, ParamsError, "papr"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(source: str, more: dict, error: type[PointrendError], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        pointrend.load(source, **more)
    assert "\n" not in str(raised.value)


def test_weights_that_were_exchanged_are_refused(tmp_path: Path) -> None:
    for name in ("train.json", "model.safetensors"):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    write_json(tmp_path / "train.json", json.loads((FOLDER / "train.json").read_text()) | {"model_sha256": "0" * 64})
    with pytest.raises(CheckFailed, match=r"model\.safetensors is not the one that train.json names"):
        pointrend.load(tmp_path)


def test_an_array_of_the_wrong_form_is_one_line(checkout: Path) -> None:
    model = pointrend.load("voc_r50")
    for wrong in (PHOTO[..., 0], PHOTO.astype(np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ParamsError, match=r"an image must be uint8 \(H, W, 3\), RGB, not "):
            model.segment(wrong)
    assert isinstance(model, LoadedModel)


def test_torch_is_imported_when_it_is_used() -> None:
    program = "import sys, pointrend; assert 'torch' not in sys.modules; pointrend.load; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120, cwd=ROOT)
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        pointrend.laod  # noqa: B018 the access itself raises
