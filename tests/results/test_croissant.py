"""Croissant metadata of a prepared dataset, read by the reader of its authors."""

import json
import shutil
from pathlib import Path

import pytest

from pointrend.cli import main
from pointrend.files import sha256_file, write_json
from tests.mirrors import set_urls
from tests.needs import validator
from tests.tiny import ROOT

READ = """
import json, sys, mlcroissant
dataset = mlcroissant.Dataset(sys.argv[1])
assert not dataset.metadata.issues.errors and not dataset.metadata.issues.warnings, dataset.metadata.issues.report()
print(json.dumps([list(map(str, record.values())) for record in dataset.records("val")]))
"""
SHA256 = "ab" * 32


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """The working folder has the records of a prepared VOC of two images; the folder of these."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    shutil.copytree(ROOT / "published", "published")
    folder = Path("data/demo/voc")
    index = folder / "val.index.json"
    write_json(index, {"ids": ["a", "b"], "sizes": [[3, 4], [5, 6]]})
    record = {"bytes": 9, "md5": "cd" * 16, "sha256": SHA256}
    manifest = {
        "dataset": "voc",
        "pins": "demo",
        "content": SHA256,
        "archives": {"benchmark.tgz": record},
        "files": {index.name: {"bytes": 9, "sha256": sha256_file(index)}},
        "splits": {"val": {"images": 2}},
    }
    write_json(folder / "manifest.json", manifest)
    return folder


def test_the_reader_of_its_authors_finds_the_images(prepared, capsys):
    assert main(["--scale", "demo", "describe", "voc", "--croissant"]) == 0
    printed = capsys.readouterr().out
    (prepared / "croissant.json").write_text(printed)
    assert json.loads(validator("python", "-c", READ, str(prepared / "croissant.json")).splitlines()[-1]) == [
        ["b'a'", "3", "4"],
        ["b'b'", "5", "6"],
    ]
    found = json.loads(printed)
    assert found["description"].startswith("Images drawn in the style of PASCAL VOC 2012")
    (archive, _) = found["distribution"]
    assert archive["sha256"] == SHA256
    assert archive["contentUrl"] == "../archives/voc/benchmark.tgz"


def test_official_archives_have_their_url_without_a_password(prepared, capsys):
    write_json(Path("data/paper/voc/manifest.json"), json.loads((prepared / "manifest.json").read_text()))
    set_urls({"benchmark.tgz": ["https://me:secret@example.org/b.tgz?k=v"]})
    assert main(["--scale", "paper", "describe", "voc", "--croissant"]) == 0
    assert json.loads(capsys.readouterr().out)["distribution"][0]["contentUrl"] == "https://example.org/b.tgz"


def test_a_dataset_without_a_home_is_one_line(prepared, capsys):
    mirrors = json.loads((ROOT / "published/mirrors.json").read_text())
    del mirrors["datasets"]["voc"]
    write_json(Path("published/mirrors.json"), mirrors)
    assert main(["--scale", "demo", "describe", "voc", "--croissant"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: published/mirrors.json has no entry for dataset voc; add it: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize("form", ["--croissant", "--json", "--pictures"])
@pytest.mark.parametrize("manifest", [{}, [], {"dataset": "voc"}])
def test_a_manifest_of_another_form_is_one_line(prepared, capsys, form, manifest):
    write_json(prepared / "manifest.json", manifest)
    assert main(["--scale", "demo", "describe", "voc", form]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("; run: pointrend --scale demo prepare voc")
