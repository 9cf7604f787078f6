"""Label maps for pictures of one's own."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from pointrend.datasets.classes import DatasetClasses
from pointrend.errors import ParamsError
from pointrend.evaluation.inference import Picture, Transform
from pointrend.evaluation.photos import check_outputs, label_path, overlay_path, pictures_in, read_picture
from pointrend.evaluation.pictures import overlaid
from pointrend.evaluation.prefetch import prefetched
from pointrend.evaluation.segmenters import segmenter
from pointrend.files import write_bytes
from pointrend.logs import hides_bars
from pointrend.model.pointrend import PointRend


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
        ParamsError: there is no such folder, ``out`` is the folder of the pictures, or has something else of a name.
        DatasetError: no picture, an unreadable or damaged one, or two that differ in the suffix alone.
        WeightsError: the network's output is not finite.
    """
    paths = pictures_in(images)
    if os.path.realpath(out) == os.path.realpath(images):
        raise ParamsError(f"label maps would overwrite pictures in {images}", "name another folder with --out")
    check_outputs(paths, out, overlay)
    segment = segmenter(model, inference, device)

    def load(path: Path) -> tuple[Picture, torch.Tensor]:
        picture = read_picture(path)
        return picture, torch.from_numpy(transform(picture)).unsqueeze(0)

    loaded = prefetched(load, paths)
    with tqdm(paths, "predict", unit="image", disable=hides_bars()) as bar:
        for path in bar:
            picture, inputs = next(loaded)
            labels = segment(inputs, picture.shape[:2], str(path)).refined
            _write_image(label_path(out, path), labels)
            if overlay:
                _write_image(overlay_path(out, path), overlaid(picture, labels, classes.palette)[..., ::-1])
    return len(paths)


def _write_image(path: Path, image: np.ndarray) -> None:
    write_bytes(path, cv2.imencode(path.suffix, image)[1].tobytes())
