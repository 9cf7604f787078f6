"""A folder of pictures of one's own: which files are pictures, what they hold, and where label maps may go."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from pointrend.datasets.prepare.archives import added_by_macos
from pointrend.datasets.prepare.damage import damage
from pointrend.errors import DatasetError, ParamsError
from pointrend.evaluation.inference import Picture

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
"""What counts as a picture in a folder, in either case."""
REPLACE = "replace or remove it"

log = logging.getLogger(__name__)


def pictures_in(folder: Path) -> list[Path]:
    """The pictures in a folder, sorted; what macOS adds is passed over, with a warning.

    Raises:
        ParamsError: there is no such folder.
        DatasetError: no picture, one that is no file, or two that differ in the suffix alone.
    """
    if not folder.is_dir():
        raise ParamsError(f"{folder} is not a folder", "name the folder of the pictures with --images")
    named = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    paths = [path for path in named if not added_by_macos(path.name)]
    if len(paths) < len(named):
        log.warning("%s: %d file(s) that macOS added are passed over", folder, len(named) - len(paths))
    if not paths:
        raise DatasetError(f"there is no picture in {folder}", f"put some there ({' '.join(sorted(SUFFIXES))})")
    first: dict[str, Path] = {}
    for path in paths:
        if not path.is_file():
            raise DatasetError(f"picture {path} is not a file, or a link that leads nowhere", REPLACE)
        other = first.setdefault(path.stem, path)
        if other is not path:
            what = f"{other} and {path} would get the same label map {path.stem}.png"
            raise DatasetError(what, "rename one of them")
    return paths


def read_picture(path: Path) -> Picture:
    """A picture, uint8 BGR (H, W, 3), as OpenCV's colour read gives it.

    Raises:
        DatasetError: it cannot be read or decoded, or shows signs of damage.
    """
    try:
        data = path.read_bytes()
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as problem:
        raise DatasetError(f"cannot read picture {path}", REPLACE) from problem
    if picture is None:
        raise DatasetError(f"{path} is not a picture", REPLACE)
    if found := damage(data):
        raise DatasetError(f"{path} is damaged, {found}", REPLACE)
    return np.asarray(picture, np.uint8)


def label_path(out: Path, picture: Path) -> Path:
    """Where the label map of a picture goes."""
    return out / f"{picture.stem}.png"


def overlay_path(out: Path, picture: Path) -> Path:
    """Where the picture goes with its labels laid over it."""
    return out / f"{picture.stem}_overlay.jpg"


def check_outputs(pictures: Iterable[Path], out: Path, overlay: bool) -> None:
    """Make sure that nothing in ``out`` is overwritten but label maps, and overlays beside label maps.

    Raises:
        ParamsError: something of another kind would be.
    """
    paths = list(pictures)
    originals = {os.path.realpath(path) for path in paths}
    for path in paths:
        labels, shown = label_path(out, path), overlay_path(out, path)
        ours = _is_label_map(labels)
        for target, may_go in ((labels, ours), (shown, ours or not overlay)):
            if os.path.lexists(target) and (not may_go or os.path.realpath(target) in originals):
                what = f"{target} is no label map, and would be overwritten"
                raise ParamsError(what, "name another folder with --out, or move it away")


def _is_label_map(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return (image.format, image.mode) == ("PNG", "L")
    except (OSError, Image.DecompressionBombError):
        return False
