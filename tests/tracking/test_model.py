"""A registered model, loaded as MLflow's users load one."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions, requires
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pointrend.cli import main
from pointrend.tracking.model import REQUIREMENTS
from tests.tiny import ROOT, TINY, write_tiny_data
from tests.tracking.projects import consistent, write_results

PROGRAM = """
import sys, json, mlflow, numpy as np
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/pointrend-voc_r50@consistent")
np.save("served.npy", model.predict(np.load("images.npy")))
import pointrend
inputs = len(model.metadata.get_input_schema().inputs)
print(json.dumps([pointrend.__file__, sorted(model.metadata.flavors), inputs, sorted(sys.modules)]))
"""


def test_a_registered_model_gives_the_label_maps_of_predict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
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

    assert not [warning for warning in recwarn if "ype hint" in str(warning.message)]

    Path("params.yaml").unlink()  # the model carries all that it needs
    command = [sys.executable, "-c", PROGRAM, f"sqlite:///{tmp_path}/mlflow.db"]
    served = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert served.returncode == 0, served.stderr
    module, flavors, inputs, imported = json.loads(served.stdout.splitlines()[-1])
    assert (flavors, inputs) == (["python_function"], 1)
    assert "/code/pointrend/" in module, "the code that was sent along is not the one that ran"
    expected = [cv2.imread(f"out/{index}.png", cv2.IMREAD_UNCHANGED) for index in range(2)]
    np.testing.assert_array_equal(np.load("served.npy"), expected)
    assert not list(tmp_path.rglob("*.pkl"))
    package_of = packages_distributions()  # reads the records of all packages
    asked = {
        canonicalize_name(package)
        for module in imported
        for name in imports_of(module)
        for package in package_of.get(name, ())
    }
    assert asked - installed_with(REQUIREMENTS) == set(), "an environment of the model's requirements lacks these"


def imports_of(module: str) -> Iterator[str]:
    """The modules of others that a module of ours imports when it is loaded itself."""
    spec = find_spec(module) if module.partition(".")[0] == "pointrend" else None
    for node in ast.parse(Path(spec.origin).read_text()).body if spec and spec.origin else ():
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        yield from {name.partition(".")[0] for name in names} - {"pointrend"}


def installed_with(names: Iterable[str]) -> set[str]:
    """The packages that pip installs with these, themselves included."""
    found: set[str] = set()
    waiting = [canonicalize_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            needed = map(Requirement, requires(name) or ())
            waiting += [canonicalize_name(one.name) for one in needed if not one.marker or one.marker.evaluate()]
    return found
