"""Which points are refined, and what the maps hold there (RECIPE sections 7.4, 8 and 9).

A point is a pair (x, y) in [0, 1], relative to the width and the height of the map it is looked up in.
(0, 0) is the outer corner of the first cell, not its centre: a point means the same place in maps of all sizes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def sample_points(maps: Tensor, points: Tensor, mode: str = "bilinear") -> Tensor:
    """Values (B, C, N) of maps (B, C, h, w) at points (B, N, 2), by "bilinear" or "nearest" interpolation.

    Outside a map everything is zero. Bilinear values therefore fade within half a cell of the border, as in
    the published runs.
    """
    grid = 2 * points.unsqueeze(2) - 1
    values = functional.grid_sample(maps, grid, mode=mode, padding_mode="zeros", align_corners=False)
    return values.squeeze(3)


def uncertainty(logits: Tensor) -> Tensor:
    """Second largest minus largest logit: (B, K, ...) to (B, ...), at most 0, larger where less certain."""
    top = logits.topk(2, dim=1).values
    return top[:, 1] - top[:, 0]


@torch.no_grad()
def select_training_points(coarse: Tensor, oversampled: Tensor, uniform: Tensor, important: int) -> Tensor:
    """Points (B, important + U, 2) to train on: the least certain oversampled ones, then the uniform ones.

    ``coarse`` are logits (B, K, h, w); ``oversampled`` (B, S, 2) and ``uniform`` (B, U, 2) are uniform random
    numbers. Every image keeps its own ``important`` least certain points (PointRend paper, section 3.1).
    """
    doubt = uncertainty(sample_points(coarse, oversampled))
    chosen = doubt.topk(important, dim=1).indices
    return torch.cat((oversampled.gather(1, chosen.unsqueeze(2).expand(-1, -1, 2)), uniform), dim=1)


def least_certain_cells(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` least certain cells of each map of logits (B, K, h, w), or all where there are fewer.

    Returns their row-major positions (B, N), int64, and their centres as points (B, N, 2).
    """
    height, width = logits.shape[-2:]
    doubt = uncertainty(logits).flatten(1)
    cells = doubt.topk(min(count, height * width), dim=1).indices
    rows, columns = cells // width, cells % width
    centres = ((columns + 0.5) / width, (rows + 0.5) / height)
    return cells, torch.stack(centres, dim=2).to(logits.dtype)
