"""Write the demo's archives and the manifest whose checksums the download enforces."""

from __future__ import annotations

import logging
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock

from pointrend.archives.demo.layouts import ARCHIVES, SceneCounts
from pointrend.archives.demo.packing import write_archive
from pointrend.archives.verification import digest_file
from pointrend.checkout.code_digest import code_digest
from pointrend.errors import ParamsError, PointrendError
from pointrend.files import atomic_path, read_json, sha256_json, write_json

MANIFEST = "manifest.json"
_LIBRARIES = ("numpy", "opencv-python-headless", "pillow", "scipy")
_FEWEST = SceneCounts(train=4, val=2, height=32, width=32)

logger = logging.getLogger(__name__)


def build_demo_archives(folder: Path, counts: SceneCounts) -> dict[str, Any]:
    """Draw the three datasets and pack them as the five official archives in ``folder``.

    Returns the manifest, which is also written to ``folder/manifest.json``: ``{"files": {name: {"bytes", "md5",
    "sha256"}}, "scenes": {...}, "generator": sha256}``. The same counts, code and
    libraries give the same bytes. A folder with a complete manifest and archives of the sizes in it is left as it is;
    several processes may call this at once. Raises :class:`ParamsError` if ``counts`` is too small for the layouts.
    """
    for field, least in asdict(_FEWEST).items():
        if getattr(counts, field) < least:
            raise ParamsError(f"demo scenes: {field} is {getattr(counts, field)}", f"give {least} or more")
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".build.lock"):
        return _whole_manifest(folder, counts) or _build(folder, counts)


def _build(folder: Path, counts: SceneCounts) -> dict[str, Any]:
    logger.info("drawing the demo's images into %s", folder)
    (folder / MANIFEST).unlink(missing_ok=True)
    files = {}
    for name, members in ARCHIVES.items():
        with atomic_path(folder / name) as path:
            write_archive(path, name, members(counts))
            files[name] = asdict(digest_file(path))
    manifest = {"files": files, "scenes": asdict(counts), "generator": _generator()}
    write_json(folder / MANIFEST, manifest)
    return manifest


def _whole_manifest(folder: Path, counts: SceneCounts) -> dict[str, Any] | None:
    """The manifest of an earlier build, if it is of these scenes and this generator and no archive is missing."""
    try:
        manifest = read_json(folder / MANIFEST)
    except PointrendError:
        return None
    if manifest.get("scenes") != asdict(counts) or manifest.get("generator") != _generator():
        return None
    sizes = {name: path.stat().st_size for name in ARCHIVES if (path := folder / name).is_file()}
    return manifest if sizes == {name: facts["bytes"] for name, facts in manifest["files"].items()} else None


def _generator() -> str:
    """sha256 of what the bytes follow from besides the counts: the code of this package and the libraries."""
    return sha256_json([code_digest("draw"), {name: metadata.version(name) for name in _LIBRARIES}])
