"""From an image to its label map: whole image, one scale, no flip (RECIPE section 4), in one of three ways.

``exact`` uses the network as it is trained. ``fast`` folds the norms into the convolutions, keeps all channels of a
cell next to each other in memory, and makes the label maps a few rows at a time; logits differ by the rounding of
float32. ``bf16`` is ``fast`` with the convolutions in bfloat16.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pointrend.errors import WeightsError
from pointrend.evaluation.confusion import LabelMap
from pointrend.model.folding import folded
from pointrend.model.pointrend import PointRend
from pointrend.model.refinement import RefinedMap, refine

# BGR (H, W, 3), and the function from it to network input, float32 (3, H', W').
BgrImage = NDArray[np.uint8]
Transform = Callable[[BgrImage], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The network's label maps of one image, at the image's own size.

    ``coarse`` is from the logits before any point was refined. ``last_refined`` marks where the last subdivision step
    refined: a map of the network's refined logits, (4 ceil(H'/4), 4 ceil(W'/4)).
    """

    refined: LabelMap
    coarse: LabelMap
    last_refined: NDArray[np.bool_]


# Segments network input (1, 3, H', W'), float32, into label maps of (height, width). Raises WeightsError with the name
# of the image where a logit is not finite.
Segmenter = Callable[[Tensor, tuple[int, int], str], Segmentation]


def segmenter(model: PointRend, inference: str, device: torch.device | str) -> Segmenter:
    """Segment with ``model``, which is put on ``device``, in the way that ``inference`` names (see the module)."""
    model = model.to(device).eval()
    if inference == "exact":
        return _Exact(model, device)
    return _Fast(model, device, torch.bfloat16 if inference == "bf16" else torch.float32)


class _Exact:
    def __init__(self, model: PointRend, device: torch.device | str) -> None:
        self.model, self.device = model, device

    @torch.inference_mode()
    def __call__(self, images: Tensor, size: tuple[int, int], name: str) -> Segmentation:
        inference = self.model.infer(images.to(self.device))
        _check_finite(name, inference.coarse, inference.refined)
        return Segmentation(
            refined=label_map(inference.refined, *size),
            coarse=label_map(inference.coarse, *size),
            last_refined=_marked(inference.refined_cells[-1:], inference.refined.shape[2:]),
        )


class _Fast:
    def __init__(self, model: PointRend, device: torch.device | str, dtype: torch.dtype) -> None:
        self.network = folded(model).to(dtype).to(memory_format=torch.channels_last)
        self.device, self.dtype = device, dtype

    @torch.inference_mode()
    def __call__(self, images: Tensor, size: tuple[int, int], name: str) -> Segmentation:
        on_device = images.to(self.device, self.dtype, non_blocking=True)
        fine, coarse = self.network.features(on_device.contiguous(memory_format=torch.channels_last))
        coarse = coarse.contiguous()
        refined = refine(self.network, fine, coarse)
        _check_finite(name, coarse, refined.source, refined.logits)
        return Segmentation(
            refined=refined.labels(*size).cpu().numpy(),
            coarse=RefinedMap.resized(coarse, 1).labels(*size).cpu().numpy(),
            last_refined=_marked((refined.cells.unsqueeze(0),), refined.size),
        )


@torch.inference_mode()
def label_map(logits: Tensor, height: int, width: int) -> LabelMap:
    """Labels (height, width), uint8, of logits (1, K, h, w): bilinear straight to that size, then the largest.

    There is no stop at the network's input size. Of equal logits the lowest class wins. Classes are enlarged one
    after the other, because all at once fill gigabytes for a large ADE20K image.
    """
    labels = torch.zeros((1, 1, height, width), dtype=torch.uint8, device=logits.device)
    best = torch.full_like(labels, -torch.inf, dtype=logits.dtype)
    for class_id, of_class in enumerate(logits.contiguous().split(1, dim=1)):
        enlarged = functional.interpolate(of_class, (height, width), mode="bilinear", align_corners=False)
        labels.masked_fill_(enlarged > best, class_id)
        torch.maximum(best, enlarged, out=best)
    return labels[0, 0].cpu().numpy()


def _check_finite(name: str, *maps: Tensor) -> None:
    if not all(torch.isfinite(logits).all() for logits in maps):
        raise WeightsError(f"the network gives logits that are not finite for image {name}", "check the weights")


def _marked(steps: tuple[Tensor, ...], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """The cells (1, N) of one step as marks in a map of ``size``; no mark if there is no step."""
    marks = np.zeros(size[0] * size[1], np.bool_)
    for cells in steps:
        marks[cells[0].cpu().numpy()] = True
    return marks.reshape(size)
