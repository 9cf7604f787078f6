"""One page with images and labels of a prepared dataset, and with crops as the training gets them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from itertools import chain, islice
from typing import Any, NamedTuple

import cv2
import numpy as np

from pointrend.datasets.classes import DatasetClasses
from pointrend.datasets.registry import classes_of
from pointrend.datasets.store import Store
from pointrend.evaluation.confusion import LabelMap
from pointrend.evaluation.pictures import NOT_LABELLED, overlaid
from pointrend.evaluation.segmenters import BgrImage
from pointrend.model.inputs import MEAN
from pointrend.results.page.carried import data_uri
from pointrend.results.page.render import asset, digest, environment
from pointrend.settings.params import RunSetting
from pointrend.settings.project import Project
from pointrend.training.loader import train_loader
from pointrend.training.transforms import TrainTransform

SHOWN = 8  # images of each split, and crops
SIDE = 640  # pixels of the longer side of a picture on the page, at most
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 80]
EPOCH = 1


class Picture(NamedTuple):
    """An image and, beside it, the same with its label laid over it, as a data URI; ``size`` is that of the image."""

    id: str
    size: str
    data: str


def dataset_page(project: Project, dataset: str, description: Mapping[str, Any]) -> str:
    """The page as HTML that needs no other file; ``description`` as of :func:`.prepare.describe`.

    Images are spread evenly over each split. The crops are the first ones that process 0 gets in the first epoch of the
    first run of ``dataset``, at the first seed of params.yaml.

    Raises:
        DatasetError: an image cannot be read.
    """
    classes, folder, style = classes_of(dataset), project.data_folder(dataset), asset("style.css")
    run = next(name for name, each in project.params.runs.items() if each.dataset == dataset)
    setting, seed = project.setting(run), project.params.seeds[0]
    sections = {split: list(_images(Store(folder, split), classes)) for split in description["splits"]}
    template = files("pointrend.commands").joinpath("dataset.html").read_text(encoding="utf-8")
    return (
        environment()
        .from_string(template)
        .render(
            title=classes.title,
            scale=project.params.scale,
            splits=description["splits"],
            sections=sections,
            crops=list(_crops(Store(folder, "train"), setting, seed, classes)),
            setting=setting,
            seed=seed,
            epoch=EPOCH,
            legend=[*_legend(classes), ("ignore", "not labelled", _hex(NOT_LABELLED))],
            style=style,
            policy=f"default-src 'none'; img-src data:; style-src '{digest(style)}'; base-uri 'none'",
        )
    )


def _images(store: Store, classes: DatasetClasses) -> Iterator[Picture]:
    count = min(SHOWN, len(store))
    for index in np.linspace(0, len(store) - 1, count).round().astype(int):
        yield _picture(store.ids[index], store.picture(index), store.label(index), classes)


def _crops(store: Store, setting: RunSetting, seed: int, classes: DatasetClasses) -> Iterator[Picture]:
    """Beside an image that does not fill its crop is the mean colour, which the network sees as 0."""
    recipe = setting.recipe
    transform = TrainTransform(
        recipe.base_size, recipe.crop_size, max_class_share=recipe.max_class_share, scale_range=recipe.scale_range
    )
    share = recipe.batch_size // recipe.gpus
    batches = train_loader(
        store, transform, batch_size_per_process=share, processes=recipe.gpus, rank=0, seed=seed, epoch=EPOCH
    )
    samples = chain.from_iterable(zip(*(part.numpy() for part in batch), strict=True) for batch in batches)
    for image, label, (top, left, bottom, right), index in islice(samples, SHOWN):
        seen = np.broadcast_to(MEAN.round().astype(np.uint8), image.shape).copy()
        seen[top:bottom, left:right] = image[top:bottom, left:right]
        yield _picture(store.ids[index], seen[..., ::-1], label, classes)


def _picture(id: str, image: BgrImage, label: LabelMap, classes: DatasetClasses) -> Picture:
    height, width = label.shape
    both = np.hstack([image, overlaid(image, label, classes.palette)[..., ::-1]])
    factor = min(1.0, SIDE / max(both.shape))
    small = cv2.resize(both, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return Picture(id, f"{width} × {height}", data_uri("a.jpg", cv2.imencode(".jpg", small, QUALITY)[1].tobytes()))


def _legend(classes: DatasetClasses) -> Iterator[tuple[str, str, str]]:
    """Key in the description, name and colour of every class."""
    for train_id, (name, colour) in enumerate(zip(classes.names, classes.palette, strict=True)):
        yield str(train_id), name, _hex(colour)


def _hex(colour: Iterable[int]) -> str:
    return "#" + bytes(colour).hex()
