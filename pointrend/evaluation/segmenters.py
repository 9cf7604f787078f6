"""The ways from a network's input to label maps: the plain one, and the fast ones that must not be told from it.

``exact`` takes the network as it is trained. ``fast`` folds the norms into the convolutions, keeps all channels of a
cell side by side in memory, and makes the label maps a few rows at a time; logits differ by the rounding of float32.
``bf16`` is ``fast`` with the convolutions in bfloat16.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointrend.errors import WeightsError
from pointrend.evaluation.inference import Segmentation, Segmenter, label_map
from pointrend.model.folding import folded
from pointrend.model.pointrend import PointRend
from pointrend.model.refinement import RefinedMap, refine


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


def _check_finite(name: str, *maps: Tensor) -> None:
    if not all(torch.isfinite(logits).all() for logits in maps):
        raise WeightsError(f"the network gives logits that are not finite for picture {name}", "check the weights")


def _marked(steps: tuple[Tensor, ...], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where the cells (1, N) of one step lie in a map of ``size``; nowhere if there is no step."""
    marks = np.zeros(size[0] * size[1], np.bool_)
    for cells in steps:
        marks[cells[0].cpu().numpy()] = True
    return marks.reshape(size)
