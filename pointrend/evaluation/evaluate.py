"""Scoring a model on a split, and the files of a score."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from pointrend.datasets.classes import DatasetClasses
from pointrend.datasets.prepare.samples import prefetched
from pointrend.datasets.store import Store
from pointrend.errors import CheckFailed, DatasetError
from pointrend.evaluation.boundary import boundary_counts
from pointrend.evaluation.confusion import Confusion, Counts, LabelMap
from pointrend.evaluation.counts_file import counts_table, matrix_table, write_counts
from pointrend.evaluation.pictures import contact_sheet
from pointrend.evaluation.segmenters import BgrImage, Transform, segmenter
from pointrend.files import sha256_file, write_bytes, write_json
from pointrend.logs import hides_bars
from pointrend.model.pointrend import PointRend

logger = logging.getLogger(__name__)

LINES = 10  # progress lines without a terminal


@dataclass(frozen=True)
class Drawn:
    """A drawn image and its facts in metrics.json: id, index in the split, miou of this image (percent, null where
    nothing is labelled), shown_as (of best, median, worst and first), bytes and sha256 of the PNG."""

    png: bytes
    facts: dict[str, Any]


@dataclass(frozen=True)
class Scores:
    """The scores of a model on a split; figures in percent.

    ``metrics`` are as in ``metrics.json``: miou, iou and coarse_iou (percent by class, null if absent), all_accuracy,
    n_images, boundary_iou, boundary_dilation_ratio, inference, and coarse with the miou and boundary_iou before
    refinement. ``counts`` are the contributions of the images to miou, by image id; ``matrix``, int64 (K, K), the
    pixels of each class (row) by predicted class; ``pictures`` the best, the median and the worst image and the first
    few, by file name.
    """

    metrics: dict[str, Any]
    counts: dict[str, Counts]
    matrix: NDArray[np.int64]
    pictures: dict[str, Drawn]


class _Tally:
    """Running counts of one of the two predictions."""

    def __init__(self, num_classes: int, dilation_ratio: float) -> None:
        self.confusion = Confusion(num_classes)
        self.boundary = Counts.zeros(num_classes)
        self.dilation_ratio = dilation_ratio

    def add(self, prediction: LabelMap, label: LabelMap) -> Counts:
        self.boundary += boundary_counts(prediction, label, self.confusion.num_classes, self.dilation_ratio)
        return self.confusion.add(prediction, label)

    def by_class(self, names: Sequence[str]) -> dict[str, float | None]:
        iou = zip(names, (100 * self.confusion.counts().iou()).tolist(), strict=True)
        return {name: None if math.isnan(value) else value for name, value in iou}

    def summary(self) -> dict[str, float]:
        return {"miou": 100 * self.confusion.counts().miou(), "boundary_iou": 100 * self.boundary.miou()}


def evaluate_split(
    model: PointRend,
    store: Store,
    transform: Transform,
    device: torch.device | str,
    classes: DatasetClasses,
    pictures: int,
    dilation_ratio: float,
    inference: str = "exact",
) -> Scores:
    """Score a model on every image of a split, one at a time and each exactly once (RECIPE sections 4 and 5).

    ``pictures``: how many of the first images are drawn besides the best, the median and the worst one;
    ``dilation_ratio``: see :mod:`pointrend.evaluation.boundary`; ``inference``: see
    :mod:`pointrend.evaluation.segmenters`.

    Raises:
        CheckFailed: two images have the same id.
        DatasetError: no pixel of the split is labelled.
        WeightsError: the network's output is not finite.
    """
    if len(set(store.ids)) != len(store):
        what = f"{len(store)} images have only {len(set(store.ids))} ids, but each must be scored exactly once"
        raise CheckFailed(what, "prepare the dataset again")
    segment = segmenter(model, inference, device)
    refined, coarse = (_Tally(len(classes.names), dilation_ratio) for _ in range(2))
    counts: dict[str, Counts] = {}

    def load(index: int) -> tuple[BgrImage, LabelMap, torch.Tensor]:
        image = store.picture(index)
        return image, store.label(index), torch.from_numpy(transform(image)).unsqueeze(0)

    loaded = prefetched(load, range(len(store)))
    with tqdm(loaded, "evaluate", len(store), unit="image", disable=hides_bars()) as bar:
        for index, (name, (_, label, inputs)) in enumerate(zip(store.ids, bar, strict=True)):
            segmentation = segment(inputs, label.shape, name)
            counts[name] = refined.add(segmentation.refined, label)
            coarse.add(segmentation.coarse, label)
            if bar.disable and (index + 1) * LINES // len(store) > index * LINES // len(store):
                logger.info("scored %d of %d images", index + 1, len(store))
    total = refined.confusion.counts()
    if not total.ground_truth.any():
        raise DatasetError(f"no pixel of the {len(counts)} images is labelled", "prepare the dataset again")
    metrics = refined.summary() | {
        "iou": refined.by_class(classes.names),
        "all_accuracy": 100 * total.all_accuracy(),
        "n_images": len(counts),
        "boundary_dilation_ratio": dilation_ratio,
        "inference": inference,
        "coarse": coarse.summary(),
        "coarse_iou": coarse.by_class(classes.names),
    }

    def draw(index: int) -> bytes:
        # Segmented once more: which images are drawn is known only after all were scored.
        image, label, inputs = load(index)
        return contact_sheet(image, label, segment(inputs, label.shape, store.ids[index]), classes)

    return Scores(metrics, counts, refined.confusion.matrix, _drawn(draw, list(counts.items()), pictures))


def _drawn(draw: Callable[[int], bytes], counts: Sequence[tuple[str, Counts]], first: int) -> dict[str, Drawn]:
    mious = [100 * of_image.miou() for _, of_image in counts]
    drawn = {}
    for index, words in chosen_images(mious, first).items():
        name, png = counts[index][0], draw(index)
        miou = None if math.isnan(mious[index]) else mious[index]
        facts = {"id": name, "index": index, "miou": miou, "shown_as": list(words), "bytes": len(png)}
        facts["sha256"] = hashlib.sha256(png).hexdigest()
        drawn[name.replace("/", "_") + ".png"] = Drawn(png, facts)
    return drawn


def chosen_images(mious: Sequence[float], first: int) -> dict[int, tuple[str, ...]]:
    """The images to be drawn, by index and in the order in which they are shown: best, median, worst, first.

    ``mious`` are the images' own scores, NaN where nothing is labelled; such an image has no rank. Of equally good
    images the one with the lowest index is the best, and likewise the worst. The median of an even number is the
    lower of the two in the middle. One image may be several of these.
    """
    ranked = sorted((index for index, miou in enumerate(mious) if not math.isnan(miou)), key=lambda i: (mious[i], i))
    shown: dict[int, tuple[str, ...]] = {}
    if ranked:
        best = min(ranked, key=lambda i: (-mious[i], i))
        for word, index in (("best", best), ("median", ranked[(len(ranked) - 1) // 2]), ("worst", ranked[0])):
            shown[index] = (*shown.get(index, ()), word)
    for index in range(min(first, len(mious))):
        shown[index] = (*shown.get(index, ()), "first")
    return shown


def write_evaluation(folder: Path, scores: Scores, scored: Mapping[str, str]) -> None:
    """Write both files of counts, ``pictures/`` and, when they are whole, ``metrics.json`` into ``folder``.

    metrics.json also describes the ``pictures``, and has the hashes of both files of counts and what was ``scored``: at
    least the ``model_sha256`` of the weights, by which stale metrics are noticed.
    """
    counts_file, matrix_file = folder / "confusion.parquet", folder / "matrix.parquet"
    write_counts(counts_file, counts_table(scores.counts, len(scores.metrics["iou"])))
    write_counts(matrix_file, matrix_table(scores.matrix))
    (folder / "pictures").mkdir(exist_ok=True)
    for name, drawn in scores.pictures.items():
        write_bytes(folder / "pictures" / name, drawn.png)
    pictures = {name: drawn.facts for name, drawn in scores.pictures.items()}
    written = {"pictures": pictures, "sha256": sha256_file(counts_file), "matrix_sha256": sha256_file(matrix_file)}
    write_json(folder / "metrics.json", {**scores.metrics, **scored, **written})
