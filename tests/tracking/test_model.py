"""A registered model, loaded as MLflow's users load one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pointrend.cli import main
from tests.tiny import ROOT, TINY, write_tiny_data
from tests.tracking.projects import consistent, write_results

PROGRAM = """
import sys, json, mlflow, numpy as np
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/pointrend-voc_r50@consistent")
np.save("served.npy", model.predict(np.load("images.npy")))
import pointrend
print(json.dumps([pointrend.__file__, sorted(model.metadata.flavors), len(model.metadata.get_input_schema().inputs)]))
"""


def test_a_registered_model_gives_the_label_maps_of_predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POINTREND_SCALE", raising=False)
    Path("params.yaml").write_text((ROOT / "params.yaml").read_text())
    write_tiny_data(Path("data/demo/voc"))
    images = np.random.default_rng(2).integers(0, 256, (2, 40, 50, 3), np.uint8)
    np.save("images.npy", images)
    Path("images").mkdir()
    for index, image in enumerate(images):
        cv2.imwrite(f"images/{index}.png", image[..., ::-1])
    weights = "runs/demo/voc_r50-s0/model.safetensors"
    for words in (
        "train voc_r50",
        "evaluate voc_r50",
        f"predict voc_r50 --weights {weights} --images images --out out",
    ):
        assert main(["--scale", "demo", *(word for of in TINY for word in ("--set", of)), *words.split()]) == 0
    train = json.loads(Path("runs/demo/voc_r50-s0/train.json").read_text())
    write_results(tmp_path, consistent(hashes={"fingerprint": train["fingerprint"]}, pictures={}))
    assert main(["--scale", "demo", "track", "sync"]) == 0

    Path("params.yaml").unlink()  # the model carries all that it needs
    command = [sys.executable, "-c", PROGRAM, f"sqlite:///{tmp_path}/mlflow.db"]
    served = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert served.returncode == 0, served.stderr
    module, flavors, inputs = json.loads(served.stdout.splitlines()[-1])
    assert (flavors, inputs) == (["python_function"], 1)
    assert "/code/pointrend/" in module, "the code that was sent along is not the one that ran"
    expected = [cv2.imread(f"out/{index}.png", cv2.IMREAD_UNCHANGED) for index in range(2)]
    np.testing.assert_array_equal(np.load("served.npy"), expected)
    assert not list(tmp_path.rglob("*.pkl"))
