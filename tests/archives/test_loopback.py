"""The project's own server, which the demo downloads from."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from pointrend.archives.demo.build import build_demo_archives
from pointrend.archives.demo.layouts import SceneCounts
from pointrend.archives.loopback import serve_folder
from pointrend.settings.archives import Archive
from tests.archives.fetching import GOOD, fetch

HIDDEN = (
    *("", ".hidden", "%2e%2e/secret", "..%2fsecret", "sub%2f..%2f..%2fsecret"),
    *("sub", "sub/", "sub/b.zip", "absent"),
)


def test_demo_archives_are_fetched_over_http(tmp_path: Path) -> None:
    drawn, folder = tmp_path / "drawn", tmp_path / "archives"
    files = build_demo_archives(drawn, SceneCounts(train=4, val=2, height=32, width=32))["files"]
    with serve_folder(drawn) as base_url:
        for name, facts in files.items():
            fetched = fetch(folder, f"{base_url}/{name}", archive=Archive(name=name, **facts))
            assert fetched.path.read_bytes() == (drawn / name).read_bytes()
            assert fetched.source.startswith("http://127.0.0.1:")


def test_loopback_server_serves_only_its_own_files(tmp_path: Path) -> None:
    served = tmp_path / "served"
    (served / "sub").mkdir(parents=True)
    (served / "a.zip").write_bytes(GOOD)
    for hidden in (served / ".hidden", served / "sub" / "b.zip", tmp_path / "secret"):
        hidden.write_bytes(b"x")
    with serve_folder(served) as base_url:
        assert requests.get(f"{base_url}/a.zip?key=1", timeout=5).content == GOOD
        for path in HIDDEN:
            assert requests.get(f"{base_url}/{path}", timeout=5).status_code == 404
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{base_url}/a.zip", timeout=5)
