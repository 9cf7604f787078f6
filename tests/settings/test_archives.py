"""Files to download: the checksums of POINTREND_PINS, and the table of mirrors."""

import shutil
from pathlib import Path

import pytest
import yaml

from pointrend.errors import ParamsError
from pointrend.files import write_json
from pointrend.settings.archives import Archive
from pointrend.settings.project import Project
from tests.mirrors import edit_mirrors

ROOT = Path(__file__).parents[2]
TGZ, MD5 = "benchmark.tgz", "0" * 32


@pytest.fixture
def checkout(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "published", tmp_path / "published")
    return tmp_path


def load(checkout: Path) -> Project:
    return Project.load(checkout / "params.yaml", "paper")


def test_urls_and_sizes_come_from_the_table_of_mirrors(checkout):
    edit_mirrors(lambda files: files.update({TGZ: {"about_gb": 3, "urls": ["http://a/x", "http://b/x"]}}), checkout)
    project = load(checkout)
    assert project.urls(TGZ) == ("http://a/x", "http://b/x")
    assert project.about_bytes(Archive(name=TGZ), Archive(name=TGZ, bytes=5)) == 3e9 + 5
    assert load(ROOT).about_bytes() == pytest.approx(17.342628e9)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda files: files.update({"bench.tgz": files.pop(TGZ)}), f"has no '{TGZ}' (did you mean 'bench.tgz'?)"),
        (lambda files: files.pop("base_cfg.py"), "has no 'base_cfg.py'"),
        (lambda files: files.pop("resnet50_v1c-2cccc1ad.pth"), "has no 'resnet50_v1c-2cccc1ad.pth'"),
        (lambda files: files.pop("pointrend_resnet50os8_voc_train.pth"), "has no 'pointrend_resnet50os8_voc"),
        (lambda files: files[TGZ].update(url="x"), f"files.{TGZ}: unknown key 'url' (did you mean 'urls'?)"),
        (lambda files: files.update({TGZ: []}), f"files.{TGZ}: Input should be a valid dictionary"),
    ],
)
def test_every_file_needs_mirrors(checkout, change, words):
    edit_mirrors(change, checkout)
    with pytest.raises(ParamsError) as caught:
        load(checkout).urls("benchmark.tgz")
    assert str(caught.value).startswith(f"{checkout / 'published/mirrors.json'}")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pins_replace_the_official_checksums(checkout, monkeypatch):
    pins = checkout / "pins.json"
    write_json(pins, {"files": {TGZ: {"md5": MD5}}})
    official = load(checkout)
    monkeypatch.setenv("POINTREND_PINS", str(pins))
    project = load(checkout)
    assert (official.archive_set, project.archive_set) == ("official", "pins-e0e4cd5b")
    assert project.archives_of("voc") == (official.archives_of("voc")[0], Archive(name=TGZ, md5=MD5))
    write_json(pins, {"files": {TGZ: {"md5": MD5, "sha256_prefix": "0" * 8}}})
    assert load(checkout).archive_set not in ("official", project.archive_set)
    assert Project.load(checkout / "params.yaml", "demo").pins == {}


def test_disk_estimates_follow_the_form_and_the_limit():
    paper, pilot = load(ROOT), Project.load(ROOT / "params.yaml", "pilot", ("store=compact",))
    assert paper.kept_images("voc") == {"train": 10582, "val": 1449}
    assert paper.prepared_bytes("voc") == paper.prepared_bytes("voc", "raw") == (10582 + 1449) * 0.18e6 * 4
    assert pilot.kept_images("voc") == {"train": 200, "val": 200}
    assert pilot.prepared_bytes("voc") == 400 * 0.18e6 * 2


def test_mirrors_are_part_of_no_digest(checkout):
    before = [archive.model_dump() for archive in load(checkout).archives_of("voc")]
    edit_mirrors(lambda files: files[TGZ].update(urls=["http://elsewhere/x"]), checkout)
    assert [archive.model_dump() for archive in load(checkout).archives_of("voc")] == before
    assert "http" not in str(yaml.safe_load((checkout / "params.yaml").read_text()))
