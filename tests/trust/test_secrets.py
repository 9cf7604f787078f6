"""Passwords and tokens given to a whole run appear in nothing that it writes or prints."""

import hashlib
import logging
from pathlib import Path
from typing import Any

from pointrend.archives.loopback import serve_folder
from pointrend.cli import main
from pointrend.results.compare import sealed
from pointrend.results.form import fault_of_form
from pointrend.results.report import render_readme
from tests.datasets.layouts import archive_members, write_archives
from tests.results.pages import PageReader, page_of
from tests.results.runs import published, results_of
from tests.trust.ground import STEPS, Ground

SECRETS = {
    "CITYSCAPES_USERNAME": "canary-user",
    "CITYSCAPES_PASSWORD": "canary-password",
    "MLFLOW_TRACKING_URI": "http://canary-name:canary-secret@127.0.0.1:9/",
    "MLFLOW_TRACKING_TOKEN": "canary-token",
    "MLFLOW_TRACKING_PASSWORD": "canary-word",
}


def official(ground: Ground, url: str, folder: Path) -> None:
    """Scale pilot on tiny archives: one at an address with credentials, after an address that has nothing."""
    paths = write_archives(folder, archive_members()["voc"])
    address = url.replace("//", "//canary-name:canary-secret@")
    md5 = {name: hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() for name, path in paths.items()}

    def change(params: dict[str, Any]) -> None:
        scales = params["scales"]
        params["scale"] = "pilot"
        params["datasets"]["voc"]["images"] = {"train": 4, "val": 2}
        params["datasets"]["voc"]["archives"] = [{"name": name, "md5": md5[name]} for name in paths]
        scales["pilot"] |= {key: scales["demo"][key] for key in ("recipe", "operation", "datasets")}
        scales["pilot"]["pretrained"] = False

    ground.edit_params(change)
    ends = ("nothing/{}?token=canary-token", "{}?token=canary-token#canary-part")
    ground.set_urls({name: [f"{address}/{end.format(name)}" for end in ends] for name in paths})


def test_a_whole_run_keeps_all_secrets(ground_of, tmp_path, monkeypatch, capfd):
    ground = ground_of("one run")
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    with serve_folder(tmp_path / "served") as url:
        official(ground, url, tmp_path / "served")
        monkeypatch.setenv("POINTREND_ARCHIVES", f"{url.replace('//', '//canary-name:canary-secret@')}/canary-path")
        for step in STEPS:
            assert main(step.split()) == 0, step
    assert main(["predict", "voc_r50", "--weights", "none", "--images", "none", "--out", "none"]) == 2
    logging.shutdown()
    printed = capfd.readouterr()
    assert "canary" not in (printed.out + printed.err).replace("canary-path", "")
    written = [
        path for path in ground.root.rglob("*") if path.is_file() and path.name not in ("params.yaml", "mirrors.json")
    ]
    assert len(written) > 30
    for path in written:
        assert b"canary" not in path.read_bytes().replace(b"canary-path", b""), path


class Tags(PageReader):
    def __init__(self, page: str) -> None:
        self.attributes: set[str] = set()
        super().__init__(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        super().handle_starttag(tag, attrs)
        self.attributes |= {name for name, _ in attrs}


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&|`[a](javascript:b)"


def test_a_page_shows_hostile_names_as_text(tmp_path):
    results = results_of(tmp_path)
    for row in results["runs"]:
        row |= {"pictures": {}, "hashes": {}}  # what the page carries; its own tests have hostile names of these
    plain = page_of(results, tmp_path)
    before = Tags(plain)
    for row in results["runs"]:
        row["reasons"] = [HOSTILE]
        row["hashes"] = {HOSTILE: HOSTILE}
        row["sigma_source"] = HOSTILE
    page = page_of(results, tmp_path)
    after = Tags(page)
    assert (set(after.tags), after.attributes) == (set(before.tags), before.attributes)
    assert not [link for link in after.links + after.pictures if link.startswith("javascript:")]
    assert page.count("<script") == plain.count("<script")
    readme = render_readme(results, published())
    assert "<script" not in readme.replace("\\<script", "")
    for key, place in (("scale", results), ("run", results["runs"][0])):
        place[key] = HOSTILE
        assert "String should match pattern" in str(fault_of_form(sealed(results)))
