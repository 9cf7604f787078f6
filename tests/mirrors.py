"""The table of mirrors in a checkout of a test's own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pointrend.files import write_json

ROOT = Path(__file__).parents[1]
MIRRORS = Path("published/mirrors.json")


def read_mirrors(root: Path = Path()) -> dict[str, Any]:
    return json.loads((root / MIRRORS).read_text())["files"]


def edit_mirrors(change: Callable[[dict[str, Any]], Any], root: Path = Path()) -> None:
    """Let ``change`` edit the table of the checkout ``root``."""
    path = root / MIRRORS
    assert not path.resolve().is_relative_to(ROOT), "the project's own table is no file of tests"
    files = read_mirrors(root)
    change(files)
    write_json(path, json.loads(path.read_text()) | {"files": files})


def set_urls(urls: dict[str, list[str]], root: Path = Path()) -> None:
    edit_mirrors(lambda files: files.update({name: {"about_gb": 1.0, "urls": urls[name]} for name in urls}), root)
