"""An empty checkout whose files come from a server of its own."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointrend.archives.loopback import serve_folder
from tests.released import serve_from

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def offering(root: Path, patch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty checkout, the working folder from then on; the folder that is served."""
    shutil.copytree(ROOT / "published", root / "published")
    shutil.copy(ROOT / "README.md", root)
    patch.chdir(root)
    folder = root / "offered"
    folder.mkdir()
    with serve_folder(folder) as url:
        serve_from(url)
        shutil.copy(ROOT / "params.yaml", root)
        yield folder


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """The folder that is served; the working folder is the checkout."""
    with offering(tmp_path, monkeypatch) as folder:
        yield folder
