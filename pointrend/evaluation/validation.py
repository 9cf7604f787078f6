"""The mIoU on a part of val while a training runs, to be looked at; nothing is chosen by it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from pointrend.datasets.registry import classes_of
from pointrend.datasets.store import Store
from pointrend.errors import PointrendError
from pointrend.evaluation.confusion import Confusion, Counts
from pointrend.evaluation.segmenters import segmenter
from pointrend.model.inputs import TestTransform
from pointrend.model.pointrend import PointRend
from pointrend.settings.params import RunSetting

log = logging.getLogger(__name__)


class Validation:
    """Scores a network on images of the prepared val that are evenly spaced in its order, always the same ones."""

    def __init__(self, data: Path, setting: RunSetting) -> None:
        self.recipe = setting.recipe
        self.store = Store(data, "val")
        self.transform = TestTransform(self.recipe.base_size)
        self.num_classes = len(classes_of(setting.dataset).names)
        count = min(self.recipe.validation_images, len(self.store))
        self.images = [place * len(self.store) // count for place in range(count)]

    def __call__(self, model: PointRend, rank: int, count: int, summed: Callable[[Tensor], Tensor]) -> float | None:
        """The mIoU in percent; each of ``count`` processes scores its share, and ``summed`` adds up over all of them.

        ``model`` is left in eval mode. None, after a warning, where a process could not score its share, because of
        lack of memory for example, or no pixel has a label: a training goes on all the same.
        """
        confusion, failed = Confusion(self.num_classes), 0
        try:
            segment = segmenter(model, self.recipe.inference, next(model.parameters()).device)
            for index in self.images[rank::count]:
                label, inputs = self.store.label(index), torch.from_numpy(self.transform(self.store.picture(index)))
                segmented = segment(inputs.unsqueeze(0), label.shape, self.store.ids[index])
                confusion.add(segmented.refined, label)
        except (PointrendError, RuntimeError, OSError) as problem:
            log.warning("the mIoU on a part of val is not known: %s", problem)
            failed = 1
        *cells, failures = summed(torch.tensor([*confusion.matrix.ravel().tolist(), failed])).tolist()
        matrix = torch.tensor(cells).reshape(confusion.matrix.shape).numpy()
        miou = 100 * Counts.of(matrix).miou()
        return None if failures or math.isnan(miou) else miou
