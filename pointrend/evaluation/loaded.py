"""A trained network as a Python object: ``pointrend.load("voc_r50").segment("photo.jpg")``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from PIL import Image
from torch import Tensor

from pointrend.checkout.machine import choose_device
from pointrend.datasets.classes import DatasetClasses
from pointrend.datasets.registry import classes_of
from pointrend.errors import ParamsError, WeightsError
from pointrend.evaluation.confusion import LabelMap
from pointrend.evaluation.described import DESCRIPTION, MODEL, STATED, TRAIN, read_training
from pointrend.evaluation.network import load_network
from pointrend.evaluation.pictures import RgbImage, colour, overlaid
from pointrend.evaluation.predict import read_image
from pointrend.evaluation.segmenters import BgrImage, segmenter
from pointrend.model.inputs import TestTransform
from pointrend.model.pointrend import PointRend
from pointrend.settings.params import RunSetting
from pointrend.settings.project import Project
from pointrend.settings.validation import validated

PathOrImage = str | Path | Image.Image | RgbImage


@dataclass(frozen=True, eq=False, repr=False)
class SegmentedImage:
    """The label map of one image, uint8 (H, W) at the image's own size: ``labels[y, x]`` indexes ``names``.

    ``image`` is the image itself, uint8 RGB (H, W, 3).
    """

    labels: LabelMap
    image: RgbImage
    classes: DatasetClasses

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes by train id."""
        return self.classes.names

    @property
    def palette(self) -> RgbImage:
        """Colours of the classes by train id, uint8 RGB (K, 3)."""
        return self.classes.palette

    def shares(self) -> dict[str, float]:
        """The share of the pixels of every class that occurs, the largest first."""
        ids, counts = np.unique(self.labels, return_counts=True)
        return {self.names[ids[i]]: float(counts[i] / self.labels.size) for i in np.argsort(-counts, kind="stable")}

    def colored(self) -> Image.Image:
        """The label map in the colours of its classes."""
        return Image.fromarray(colour(self.labels, self.palette))

    def overlay(self) -> Image.Image:
        """The image with the colours of its classes laid over it."""
        return Image.fromarray(overlaid(self.image[..., ::-1], self.labels, self.palette))


@dataclass(frozen=True, eq=False, repr=False)
class LoadedModel:
    """A network with trained weights.

    Attributes:
        network: in eval mode, on ``device``.
        setting: the dataset, the backbone, and every value of the recipe that it was trained with.
        description: what is known of the training, such as ``run``, ``seed``, ``fingerprint`` and ``miou``.
    """

    network: PointRend
    device: torch.device
    setting: RunSetting
    description: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        known = {key: self.description[key] for key in ("run", "seed", "scale", "miou") if key in self.description}
        return f"<LoadedModel {self.setting.dataset}, ResNet-{self.setting.depth}, {known}, on {self.device}>"

    @property
    def classes(self) -> DatasetClasses:
        """Names and colours of the classes."""
        return classes_of(self.setting.dataset)

    def segment(self, image: PathOrImage) -> SegmentedImage:
        """Segment an image: a file, a PIL image, or an RGB array, uint8 (H, W, 3).

        The label map equals that of ``pointrend predict``.

        Raises:
            DatasetError: a file that cannot be read.
            ParamsError: an array of another shape or type.
            WeightsError: a logit is not finite.
        """
        bgr = _bgr(image)
        segment = segmenter(self.network, self.setting.recipe.inference, self.device)
        labels = segment(self._inputs(bgr), bgr.shape[:2], _name(image)).refined
        return SegmentedImage(labels, np.ascontiguousarray(bgr[..., ::-1]), self.classes)

    @torch.inference_mode()
    def logits(self, image: PathOrImage) -> Tensor:
        """The network's refined logits, float32 (K, h, w), of the image as it is resized for the network.

        ``h`` and ``w`` are those of the resized image, rounded up to multiples of 4. Errors as in :meth:`segment`.
        """
        return self.network.infer(self._inputs(_bgr(image)).to(self.device)).refined[0]

    def _inputs(self, image: BgrImage) -> Tensor:
        return torch.from_numpy(TestTransform(self.setting.recipe.base_size)(image)).unsqueeze(0)


def load(
    source: str | Path,
    *,
    run: str | None = None,
    seed: int | None = None,
    scale: str | None = None,
    device: str = "auto",
    params: str | Path = "params.yaml",
) -> LoadedModel:
    """A trained network from a run, the folder of a training, or a weights file.

    Args:
        source: the name of a run of ``params``; or the folder of a training, or an exported one; or a .safetensors or
            .pth file. A file that does not describe itself needs ``run``.
        run: with a file: the run of ``params`` whose network it fits.
        seed: with a run's name: which training; default: the first seed of ``params`` that is trained.
        scale: with a run's name or ``run``: the scale; default: that of ``params``.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        ParamsError: no such run or scale; the file does not describe itself and no run is named.
        WeightsError: no such training or file, or the weights do not fit.
        CheckFailed: the weights are not those that train.json names.
    """
    path = Path(source)
    if path.is_dir() and not (path / TRAIN).is_file() and _description(path / MODEL):
        path /= MODEL  # an exported folder
    if path.is_dir():
        return _of_folder(path, device)
    if path.suffix in (".safetensors", ".pth"):
        return _of_file(path, device, run, lambda: Project.load(Path(params), scale))
    project = Project.load(Path(params), scale)
    setting = project.setting(project.params.known("run", str(source), list(project.params.runs)))
    folders = [project.run_folder(setting.run, one) for one in ([seed] if seed is not None else project.params.seeds)]
    trained = [folder for folder in folders if (folder / TRAIN).is_file()]
    if not trained:
        words = f"train {setting.run}" + (f" --seed {seed}" if seed is not None else "")
        do = f"train it first (pointrend --scale {setting.scale} {words}), or name a folder or a file"
        raise WeightsError(f"{folders[0]} has no finished training", do)
    return _of_folder(trained[0], device)


def _of_folder(folder: Path, device: str) -> LoadedModel:
    setting, train = read_training(folder)
    return _loaded(setting, folder / MODEL, {key: train[key] for key in STATED}, device)


def _of_file(path: Path, device: str, run: str | None, project: Callable[[], Project]) -> LoadedModel:
    if not path.is_file():
        raise WeightsError(f"{path} does not exist", "name a file that exists")
    described = _description(path)
    if described is not None and run is None:
        setting = validated(RunSetting, described.get("setting"), f"the description in {path}", "export it again")
        return _loaded(setting, path, described, device)
    if run is None:
        if (path.parent / TRAIN).is_file() and path.name == MODEL:
            return _of_folder(path.parent, device)
        do = "name its run, for example run='voc_r50'; params.yaml of the checkout has the network"
        raise ParamsError(f"{path} does not describe its network", do)
    return _loaded(project().setting(run), path, {"run": run}, device)


def _description(path: Path) -> dict[str, Any] | None:
    """What a .safetensors file states of itself; None where it states nothing."""
    if path.suffix != ".safetensors":
        return None
    try:
        with safetensors.safe_open(path, "pt") as file:
            found = json.loads((file.metadata() or {}).get(DESCRIPTION, "null"))
    except (OSError, ValueError, safetensors.SafetensorError):
        return None  # load_network gives the error
    return found if isinstance(found, dict) else None


def _loaded(setting: RunSetting, weights: Path, description: Mapping[str, Any], device: str) -> LoadedModel:
    network, found = load_network(setting, weights)
    wanted = found if device == "auto" else choose_device(device)
    return LoadedModel(network.to(wanted), wanted, setting, description)


def _name(image: PathOrImage) -> str:
    return str(image) if isinstance(image, str | Path) else "given"


def _bgr(image: PathOrImage) -> BgrImage:
    if isinstance(image, str | Path):
        return read_image(Path(image))
    pixels = np.asarray(image.convert("RGB") if isinstance(image, Image.Image) else image)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        what = f"an image must be uint8 (H, W, 3), RGB, not {pixels.dtype} {pixels.shape}"
        raise ParamsError(what, "convert it, or name a file")
    return np.ascontiguousarray(pixels[..., ::-1])
