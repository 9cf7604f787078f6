"""The project's own server, which the demo downloads from."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from pointrend.archives.demo.build import build_demo_archives
from pointrend.archives.demo.layouts import SceneCounts
from pointrend.archives.fetch import Archive
from pointrend.archives.loopback import serve_folder
from tests.archives.fetching import GOOD, fetch


def test_demo_archives_are_fetched_over_http(tmp_path: Path) -> None:
    drawn, folder = tmp_path / "drawn", tmp_path / "archives"
    files = build_demo_archives(drawn, SceneCounts(train=4, val=2, height=32, width=32))["files"]
    with serve_folder(drawn) as base_url:
        for name, facts in files.items():
            fetched = fetch(Archive(name, (f"{base_url}/{name}",), **facts), folder)
            assert fetched.path.read_bytes() == (drawn / name).read_bytes()
            assert fetched.source.startswith("http://127.0.0.1:")


def test_loopback_server_serves_ranges_and_only_its_own_files(tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    (served / "a.zip").write_bytes(GOOD)
    (served / ".hidden").write_bytes(b"x")
    (served / "sub").mkdir()
    (served / "sub" / "b.zip").write_bytes(b"x")
    (tmp_path / "secret").write_bytes(b"x")
    with serve_folder(served) as base_url:
        whole = requests.get(f"{base_url}/a.zip", timeout=5)
        assert whole.content == GOOD
        part = requests.get(f"{base_url}/a.zip", headers={"Range": "bytes=100-"}, timeout=5)
        assert (part.status_code, part.content) == (206, GOOD[100:])
        assert part.headers["Content-Range"] == f"bytes 100-{len(GOOD) - 1}/{len(GOOD)}"
        past = requests.get(f"{base_url}/a.zip", headers={"Range": f"bytes={len(GOOD)}-"}, timeout=5)
        assert (past.status_code, past.headers["Content-Range"]) == (416, f"bytes */{len(GOOD)}")
        changed = {"Range": "bytes=100-", "If-Range": '"other"'}
        assert requests.get(f"{base_url}/a.zip", headers=changed, timeout=5).content == GOOD
        for path in (
            "",
            ".hidden",
            "%2e%2e/secret",
            "..%2fsecret",
            "sub%2f..%2f..%2fsecret",
            "sub",
            "sub/b.zip",
            "absent",
        ):
            assert requests.get(f"{base_url}/{path}", timeout=5).status_code == 404
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{base_url}/a.zip", timeout=5)
