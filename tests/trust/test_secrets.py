"""Passwords and tokens given to a whole run appear in nothing that it writes or prints."""

import hashlib
import logging
from pathlib import Path
from typing import Any

from pointrend.archives.loopback import serve_folder
from pointrend.cli import main
from tests.datasets.layouts import archive_members, write_archives
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
