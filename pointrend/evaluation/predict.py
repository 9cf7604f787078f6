"""Label maps for pictures of one's own."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from pointrend.datasets.classes import DatasetClasses
from pointrend.errors import DatasetError, ParamsError
from pointrend.evaluation.inference import Picture, Transform
from pointrend.evaluation.pictures import overlaid
from pointrend.evaluation.prefetch import prefetched
from pointrend.evaluation.segmenters import segmenter
from pointrend.files import write_bytes
from pointrend.logs import hides_bars
from pointrend.model.pointrend import PointRend

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
"""What counts as a picture in a folder, in either case."""


def predict_folder(
    model: PointRend,
    transform: Transform,
    images: Path,
    out: Path,
    classes: DatasetClasses,
    overlay: bool,
    device: torch.device | str,
    inference: str = "exact",
) -> int:
    """Segment every picture in the folder ``images`` and return how many there were.

    ``out/<stem>.png`` is the label map, 8-bit train ids at the picture's own size (as it is displayed, where a camera
    recorded an orientation); with overlay, ``out/<stem>_overlay.jpg`` shows it laid over the picture.
    ``inference``: see :mod:`pointrend.evaluation.segmenters`.

    Raises:
        ParamsError: there is no such folder, or ``out`` is the folder of the pictures.
        DatasetError: no picture, an unreadable one, or two that differ in the suffix alone.
        WeightsError: the network's output is not finite.
    """
    paths = _pictures_in(images)
    if out.resolve() == images.resolve():
        raise ParamsError(f"label maps would overwrite pictures in {images}", "name another folder with --out")
    segment = segmenter(model, inference, device)

    def load(path: Path) -> tuple[Picture, torch.Tensor]:
        picture = _read_picture(path)
        return picture, torch.from_numpy(transform(picture)).unsqueeze(0)

    loaded = prefetched(load, paths)
    with tqdm(paths, "predict", unit="image", disable=hides_bars()) as bar:
        for path in bar:
            picture, inputs = next(loaded)
            labels = segment(inputs, picture.shape[:2], str(path)).refined
            _write_image(out / f"{path.stem}.png", labels)
            if overlay:
                _write_image(out / f"{path.stem}_overlay.jpg", overlaid(picture, labels, classes.palette)[..., ::-1])
    return len(paths)


def _pictures_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ParamsError(f"{folder} is not a folder", "name the folder of the pictures with --images")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise DatasetError(f"there is no picture in {folder}", f"put some there ({' '.join(sorted(SUFFIXES))})")
    first: dict[str, Path] = {}
    for path in paths:
        other = first.setdefault(path.stem, path)
        if other is not path:
            what = f"{other} and {path} would get the same label map {path.stem}.png"
            raise DatasetError(what, "rename one of them")
    return paths


def _read_picture(path: Path) -> Picture:
    try:
        data = np.fromfile(path, np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as problem:
        raise DatasetError(f"cannot read picture {path}", "replace or remove it") from problem
    if picture is None:
        raise DatasetError(f"{path} is not a picture", "replace or remove it")
    return np.asarray(picture, np.uint8)


def _write_image(path: Path, image: np.ndarray) -> None:
    write_bytes(path, cv2.imencode(path.suffix, image)[1].tobytes())
