"""`make gpu-check`: one line without a GPU, one JSON with one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import gpu_check


def test_without_a_gpu_it_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert gpu_check.main() == 2
    assert capsys.readouterr().err.startswith("error: torch finds no GPU on this machine; ")


def test_every_step_is_in_the_json(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def python(program: str) -> tuple[str, ...]:
        return sys.executable, "-c", program

    steps = {"good": python("print('yes')"), "bad": python("exit(7)"), "long": python("import time; time.sleep(60)")}
    monkeypatch.setattr(gpu_check, "steps", lambda *_: steps.items())
    monkeypatch.setattr(gpu_check, "OUT", tmp_path / "out.json")
    monkeypatch.setattr(gpu_check, "SECONDS", 3)
    monkeypatch.setattr(gpu_check, "machine_record", str)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert gpu_check.main() == 3
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["machines"] == ["cuda:0", "cuda:1"]
    assert {name: each["code"] for name, each in record["steps"].items()} == {"good": 0, "bad": 7, "long": None}
    assert record["steps"]["good"]["output"] == "yes\n"
    assert record["steps"]["long"]["seconds"] < 10


@pytest.mark.parametrize(("gpus", "several"), [(1, []), (3, ["train on 2 GPUs"]), (8, ["train on 8 GPUs"])])
def test_several_gpus_train_together(tmp_path: Path, gpus: int, several: list[str]) -> None:
    assert [name for name, _ in gpu_check.steps(tmp_path, gpus) if name.endswith("GPUs")] == several
