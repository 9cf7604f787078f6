"""From a picture to its label map: whole image, one scale, no flip (RECIPE section 4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pointrend.evaluation.confusion import LabelMap

Picture = NDArray[np.uint8]
"""BGR (H, W, 3)."""
Transform = Callable[[Picture], NDArray[np.float32]]
"""Picture to network input, float32 (3, H', W')."""


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What the network says about one picture, at the picture's own size."""

    refined: LabelMap
    coarse: LabelMap
    """The same from the logits before any point was refined."""
    last_refined: NDArray[np.bool_]
    """Where the last subdivision step refined: a map of the network's refined logits, (4 ceil(H'/4), 4 ceil(W'/4))."""


Segmenter = Callable[[Tensor, tuple[int, int], str], Segmentation]
"""Segments an image (1, 3, H', W'), float32, into label maps of (height, width); errors call the picture by the name.

Raises WeightsError where a logit is not finite. :mod:`pointrend.evaluation.segmenters` has them.
"""


@torch.inference_mode()
def label_map(logits: Tensor, height: int, width: int) -> LabelMap:
    """Labels (height, width), uint8, of logits (1, K, h, w): bilinear straight to that size, then the largest.

    There is no stop at the network's input size. Of equal logits the lowest class wins. Classes are enlarged one
    after the other, because all at once fill gigabytes for a large ADE20K picture.
    """
    labels = torch.zeros((1, 1, height, width), dtype=torch.uint8, device=logits.device)
    best = torch.full_like(labels, -torch.inf, dtype=logits.dtype)
    for class_id, of_class in enumerate(logits.contiguous().split(1, dim=1)):
        enlarged = functional.interpolate(of_class, (height, width), mode="bilinear", align_corners=False)
        labels.masked_fill_(enlarged > best, class_id)
        torch.maximum(best, enlarged, out=best)
    return labels[0, 0].cpu().numpy()
