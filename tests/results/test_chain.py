"""What records state about files: one iterator for verify, compare and both engines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pointrend.files import sha256_file, write_json
from pointrend.results.chain import Stated, stated
from pointrend.results.compare import compare
from tests.results.runs import ASSUMED, edit, finish, published, released, selected


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """results.json of a training and of released weights, both with a picture."""
    runs = tmp_path / "runs/paper"
    trained, release = selected(runs), released(runs)
    (trained.folder / "model.safetensors").parent.mkdir(parents=True)
    (trained.folder / "model.safetensors").write_bytes(b"weights")
    finish(trained, {"a.png": b"picture"})
    for name in ("train.json", "metrics.json", "evaluate.json"):
        edit(trained, name, model_sha256=sha256_file(trained.folder / "model.safetensors"))
    finish(release, {"b.png": b"picture"})
    path = tmp_path / "results/paper/results.json"
    write_json(path, compare("paper", [trained, release], published(), ASSUMED))
    return path


def found(path: Path) -> list[Stated]:
    return list(stated(path, json.loads(path.read_text())))


def test_results_name_every_file_of_their_runs_once_and_truly(results: Path, tmp_path: Path) -> None:
    inside = [one for one in found(results) if "runs" in one.file.parts]
    assert sorted(one.file for one in inside) == sorted(p for p in (tmp_path / "runs").rglob("*") if p.is_file())
    assert [one.file.name for one in inside[:9]] == [
        *("train.json", "model.safetensors", "metrics.jsonl", "curve.csv", "metrics.json"),
        *("evaluate.json", "confusion.parquet", "matrix.parquet", "a.png"),
    ]
    assert [one.file.name for one in found(results) if one not in inside] == [
        *("pointrend.md", "definition.json", "independent.json", "pointrend_table.json", "retrainings.csv")
    ]
    assert {one.record for one in inside} == {results}
    assert [one.fault(str) for one in inside] == [None] * len(inside)


def test_the_records_of_a_run_name_the_files_that_they_follow_from(results: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs/paper/voc_r50-s0"
    named = {name: [one.file.name for one in found(folder / name)] for name in ("train.json", "evaluate.json")}
    assert named["train.json"] == ["model.safetensors", "curve.csv", "metrics.jsonl"]
    assert named["evaluate.json"] == ["train.json", "metrics.json"]
    assert [one.file.name for one in found(folder / "metrics.json")] == [
        *("confusion.parquet", "matrix.parquet", "a.png")
    ]
    assert [one.file.name for one in found(tmp_path / "runs/paper/voc_r50-released/evaluate.json")] == ["metrics.json"]


def test_manifests_name_files_beside_them_or_in_their_folder(tmp_path: Path) -> None:
    facts = {"bytes": 3, "md5": "m", "sha256": "s"}
    for name, folder in (("voc/manifest.json", "voc"), ("archives/voc.json", "archives/voc")):
        write_json(tmp_path / name, {"files": {"a.bin": facts}})
        assert found(tmp_path / name) == [Stated(tmp_path / folder / "a.bin", "s", tmp_path / name, 3, "m")]


def test_a_false_statement_is_named_with_its_record(tmp_path: Path) -> None:
    file, record = tmp_path / "a.bin", tmp_path / "b.json"
    file.write_bytes(b"abc")
    right = sha256_file(file)
    wrong = "a.bin is not the one that b.json names"
    cases = {
        Stated(file, right, record): None,
        Stated(file, right, record, 3): None,
        Stated(file, right, record, 4): wrong,
        Stated(file, "0" * 64, record, 3): wrong,
        Stated(tmp_path / "c.bin", right, record): "c.bin does not exist",
    }
    assert [one.fault(lambda path: path.name) for one in cases] == list(cases.values())
    assert Stated(file, "0" * 64, record, 3).fault(str, most=2) is None  # too large to be read
    assert Stated(file, "0" * 64, record, 4).fault(lambda path: path.name, most=2) == wrong
