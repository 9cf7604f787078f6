"""The network as plain PyTorch does it: what the fast paths are timed against, and must equal.

Maps lie channel by channel, points are looked up by grid_sample, the two largest logits found by topk, and logits are
enlarged as a whole, both for the loss and for the label map.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from pointrend.model.pointrend import Inference, PointDraws, PointRend


class PlainPointRend(PointRend):
    """The same weights and results as :class:`PointRend`, up to rounding."""

    def forward(self, images: Tensor, labels: Tensor, point_draws: PointDraws) -> dict[str, Tensor]:
        """Training losses, as those of :class:`PointRend`."""
        arch = self.architecture
        fine, coarse = self._features(images)
        with torch.no_grad():
            doubt = _doubt(_sampled(coarse, point_draws.oversampled))
            chosen = doubt.topk(arch.important_points, dim=1).indices
            certain = point_draws.oversampled.gather(1, chosen.unsqueeze(2).expand(-1, -1, 2))
            points = torch.cat((certain, point_draws.uniform), dim=1)
        logits = self.point_head(_sampled(fine, points), _sampled(coarse, points))
        truth = _sampled(labels.unsqueeze(1).to(points.dtype), points, "nearest").squeeze(1).long()
        loss_point = functional.cross_entropy(logits, truth, ignore_index=arch.ignore_index)
        full_size = functional.interpolate(coarse, labels.shape[1:], mode="bilinear", align_corners=False)
        loss_coarse = functional.cross_entropy(full_size, labels, ignore_index=arch.ignore_index)
        return {"loss": arch.point_loss_weight * loss_point + arch.coarse_loss_weight * loss_coarse}

    @torch.no_grad()
    def infer(self, images: Tensor) -> Inference:
        """Refined logits, as those of :class:`PointRend`."""
        fine, coarse = self._features(images)
        refined, refined_cells = coarse, []
        for _ in range(self.architecture.subdivision_steps):
            refined = functional.interpolate(refined, scale_factor=2, mode="bilinear", align_corners=False)
            height, width = refined.shape[2:]
            doubt = _doubt(refined).flatten(1)
            cells = doubt.topk(min(self.architecture.subdivision_points, height * width), dim=1).indices
            centres = torch.stack(((cells % width + 0.5) / width, (cells // width + 0.5) / height), dim=2)
            logits = self.point_head(_sampled(fine, centres), _sampled(coarse, centres))
            refined = refined.flatten(2).scatter(2, cells.unsqueeze(1).expand_as(logits), logits)
            refined = refined.unflatten(2, (height, width))
            refined_cells.append(cells)
        return Inference(refined, coarse, tuple(refined_cells))

    def labels(self, images: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Label maps (B, *size) of the refined and of the coarse logits."""
        inference = self.infer(images)
        maps = (inference.refined, inference.coarse)
        enlarged = (functional.interpolate(logits, size, mode="bilinear", align_corners=False) for logits in maps)
        refined, coarse = (logits.argmax(dim=1) for logits in enlarged)
        return refined, coarse

    def _features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        pyramid = self.fpn(self.backbone(images))
        return pyramid[0], self.coarse_head(pyramid)


def _sampled(maps: Tensor, points: Tensor, mode: str = "bilinear") -> Tensor:
    grid = 2 * points.unsqueeze(2) - 1
    return functional.grid_sample(maps, grid, mode=mode, padding_mode="zeros", align_corners=False).squeeze(3)


def _doubt(logits: Tensor) -> Tensor:
    top = logits.topk(2, dim=1).values
    return top[:, 1] - top[:, 0]
