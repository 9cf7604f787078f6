"""Label maps for the user's own images."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from pointrend.datasets.classes import DatasetClasses
from pointrend.datasets.prepare.archives import added_by_macos
from pointrend.datasets.prepare.samples import decode_image, prefetched
from pointrend.errors import DatasetError, ParamsError
from pointrend.evaluation.pictures import explained_overlay, palette_png
from pointrend.evaluation.segmenters import BgrImage, Transform, segmenter
from pointrend.files import write_bytes
from pointrend.logs import hides_bars
from pointrend.model.pointrend import PointRend

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}  # of images, in either case
REPLACE = "replace or remove it"

log = logging.getLogger(__name__)


def predict_images(
    model: PointRend,
    transform: Transform,
    images: Path,
    out: Path,
    classes: DatasetClasses,
    device: torch.device | str,
    *,
    overlay: bool = False,
    raw_values: bool = False,
    inference: str = "exact",
) -> int:
    """Segment an image, or every image in a folder, and return how many there were.

    ``out/<stem>.png`` is the label map, 8-bit train ids at the image's own size (as it is displayed, where a camera
    recorded an orientation), or with ``raw_values`` the values in the masks of the archives, which the servers of the
    benchmarks take. ``out/<stem>_color.png`` holds the train ids with a palette. With overlay,
    ``out/<stem>_overlay.jpg`` shows the classes laid over the image, and a legend below it.
    ``inference``: see :mod:`pointrend.evaluation.segmenters`.

    Raises:
        ParamsError: ``images`` does not exist, ``out`` is their folder, or has another file of such a name.
        DatasetError: no image, an unreadable or damaged one, or two that differ in the suffix alone.
        WeightsError: the network's output is not finite.
    """
    paths = images_in(images)
    if os.path.realpath(out) == os.path.realpath(paths[0].parent):
        raise ParamsError(f"label maps would overwrite images in {paths[0].parent}", "name another folder with --out")
    check_outputs(paths, out, overlay)
    segment = segmenter(model, inference, device)

    def load(path: Path) -> tuple[Path, BgrImage, torch.Tensor]:
        image = read_image(path)
        return path, image, torch.from_numpy(transform(image)).unsqueeze(0)

    with tqdm(prefetched(load, paths), "predict", len(paths), unit="image", disable=hides_bars()) as bar:
        for path, image, inputs in bar:
            labels = segment(inputs, image.shape[:2], str(path)).refined
            label_path, color_path, overlay_path = outputs(out, path)
            _write_image(label_path, classes.raw_values[labels] if raw_values else labels)
            write_bytes(color_path, palette_png(labels, classes.palette))
            if overlay:
                _write_image(overlay_path, explained_overlay(image, labels, classes)[..., ::-1])
    return len(paths)


def images_in(folder: Path) -> list[Path]:
    """The image ``folder``, or the images in it, sorted; files that macOS adds are skipped with a warning.

    Errors as in :func:`predict_images`.
    """
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise ParamsError(f"{folder} does not exist", "name an image or a folder of images with --images")
    named = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    paths = [path for path in named if not added_by_macos(path.name)]
    if len(paths) < len(named):
        log.warning("%s: %d file(s) that macOS added are skipped", folder, len(named) - len(paths))
    if not paths:
        raise DatasetError(f"no image found in {folder}", f"add some ({' '.join(sorted(SUFFIXES))})")
    first: dict[str, Path] = {}
    for path in paths:
        if not path.is_file():
            raise DatasetError(f"image {path} is not a file, or a broken link", REPLACE)
        other = first.setdefault(path.stem, path)
        if other is not path:
            what = f"{other} and {path} would get the same label map {path.stem}.png"
            raise DatasetError(what, "rename one of them")
    return paths


def read_image(path: Path) -> BgrImage:
    """An image, uint8 BGR (H, W, 3). Raises DatasetError where it cannot be read or decoded, or is damaged."""
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise DatasetError(f"cannot read image {path}: {problem.strerror}", REPLACE) from problem
    return decode_image(str(path), data, do=REPLACE)


def outputs(out: Path, image: Path) -> tuple[Path, Path, Path]:
    """The paths of an image's label map, of the same in colours, and of the image with its classes laid over it."""
    return out / f"{image.stem}.png", out / f"{image.stem}_color.png", out / f"{image.stem}_overlay.jpg"


def check_outputs(images: list[Path], out: Path, overlay: bool) -> None:
    """Make sure that nothing in ``out`` is overwritten but label maps, and overlays beside label maps.

    Raises:
        ParamsError: a file of another kind would be.
    """
    originals = {os.path.realpath(path) for path in images}
    for path in images:
        labels, colored, shown = outputs(out, path)
        ours = _is_label_map(labels)
        for target, may_go in ((labels, ours), (colored, ours), (shown, ours or not overlay)):
            if os.path.lexists(target) and (not may_go or os.path.realpath(target) in originals):
                what = f"{target} is not a label map, and would be overwritten"
                raise ParamsError(what, "name another folder with --out, or move it away")


def _is_label_map(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return (image.format, image.mode) == ("PNG", "L")
    except (OSError, Image.DecompressionBombError):
        return False


def _write_image(path: Path, image: np.ndarray) -> None:
    write_bytes(path, cv2.imencode(path.suffix, image)[1].tobytes())
