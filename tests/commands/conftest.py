"""An empty checkout whose files come from a server of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointrend.archives.loopback import serve_folder
from tests.released import serve_from

ROOT = Path(__file__).parents[2]


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that is served; the working folder is the checkout."""
    shutil.copytree(ROOT / "published", tmp_path / "published")
    shutil.copy(ROOT / "README.md", tmp_path)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "offered"
    folder.mkdir()
    with serve_folder(folder) as url:
        serve_from(url)
        shutil.copy(ROOT / "params.yaml", tmp_path)
        yield folder
