"""The instruction sets that torch and OpenCV use are recorded, because they change the weights."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch

from pointrend.checkout.machine import ARITHMETIC, instruction_sets, machine_record
from pointrend.files import sha256_file
from pointrend.model.weights import save_weights
from tests.tiny import ROOT, write_tiny_store
from tests.training.trainings import trainer

DISPATCHED = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "OPENCV_CPU_DISABLE")


def main(folder: Path) -> None:
    """Train and print the weights' hash and the record."""
    torch.set_num_threads(1)
    model = trainer(write_tiny_store(folder / "data"), folder / "checkpoints").run()
    save_weights(model, folder / "model.safetensors")
    print(json.dumps([sha256_file(folder / "model.safetensors"), instruction_sets()]))


def trained(folder: Path, **variables: str) -> tuple[str, dict[str, str]]:
    """The same in a separate process, since libraries read the variables when they are loaded."""
    env = {name: value for name, value in os.environ.items() if name not in ARITHMETIC} | variables
    folder.mkdir()
    command = [sys.executable, "-m", "tests.training.test_instruction_sets", str(folder)]
    sha256, sets = json.loads(subprocess.check_output(command, cwd=ROOT, env=env, timeout=200))
    return sha256, sets


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("usual") / "training")


@pytest.mark.parametrize("variable", DISPATCHED)
def test_other_weights_come_only_with_another_record(variable, tmp_path, usual):
    used = {name for name in usual[1]["opencv"].replace("*", "").split() if name.startswith(("AVX", "FMA", "FP16"))}
    value = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}.get(variable, ",".join(sorted(used)))
    sha256, sets = trained(tmp_path / "training", **{variable: value})
    assert sets[variable] == value
    if "AVX2" in used:
        assert sha256 != usual[0]


def test_the_machines_record_has_them(monkeypatch):
    for name in ARITHMETIC:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert machine_record(torch.device("cpu"))["instruction_sets"] == {
        "torch": torch.backends.cpu.get_cpu_capability(),
        "opencv": cv2.getCPUFeaturesLine(),
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
