"""Choice of the points that are refined, and values of maps at points (RECIPE sections 7.4, 8 and 9).

A point is a pair (x, y) in [0, 1], relative to the width and the height of a map. (0, 0) is the outer corner of the
first cell, not its centre: a point is the same position in maps of all sizes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def sample_points(maps: Tensor, points: Tensor) -> Tensor:
    """Values (B, C, N) of maps (B, C, h, w) at points (B, N, 2), bilinear between the centres of the cells.

    Outside a map everything is zero. Values therefore fade within half a cell of the border, as in the published runs.
    Half-precision maps give float32 values.
    """
    batch, channels = maps.shape[:2]
    cells, shares = cells_around(maps, points)
    # Whole cells, all channels side by side: with channels-last maps nothing is copied but what is looked up.
    corners = maps.permute(0, 2, 3, 1).reshape(-1, channels).index_select(0, cells.flatten())
    values = (corners.view(-1, 4, channels) * shares.unsqueeze(2)).sum(1)
    return values.view(batch, -1, channels).transpose(1, 2)


def cells_around(maps: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """The four cells (B * N, 4) around points (B, N, 2), counted through all maps (B, C, h, w), and their shares."""
    batch, _, height, width = maps.shape
    columns, across = _neighbours(points[..., 0], width)
    rows, down = _neighbours(points[..., 1], height)
    images = torch.arange(batch, device=maps.device).view(-1, 1, 1, 1) * (height * width)
    cells = images + (rows * width).unsqueeze(3) + columns.unsqueeze(2)
    return cells.view(-1, 4), (down.unsqueeze(3) * across.unsqueeze(2)).view(-1, 4)


def label_at_points(labels: Tensor, points: Tensor) -> Tensor:
    """Labels (B, N) of the pixels of label maps (B, H, W) that contain points (B, N, 2)."""
    # Points on the edge between two pixels go where grid_sample's rounding takes them, as in the published runs.
    maps, grid = labels.unsqueeze(1).to(points.dtype), 2 * points.unsqueeze(2) - 1
    nearest = functional.grid_sample(maps, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return nearest.flatten(1).to(labels.dtype)


def uncertainty(logits: Tensor) -> Tensor:
    """Second largest minus largest logit: (B, K, ...) to (B, ...), at most 0, larger where less certain."""
    if logits.device.type != "cpu":
        top = logits.topk(2, dim=1).values
        return top[:, 1] - top[:, 0]
    # Class by class in long vectors, where topk on a CPU sorts every cell for itself.
    largest = logits[:, 0].clone()
    second = torch.full_like(largest, -torch.inf)
    for of_class in logits.unbind(1)[1:]:
        torch.maximum(second, torch.minimum(largest, of_class), out=second)
        torch.maximum(largest, of_class, out=largest)
    return second.sub_(largest)


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
    return cells, cell_centres(cells, (height, width), logits.dtype)


def cell_centres(cells: Tensor, size: tuple[int, int], dtype: torch.dtype) -> Tensor:
    """Centres (B, N, 2), as points, of the cells at row-major positions (B, N) in maps of ``size`` (h, w)."""
    height, width = size
    rows, columns = cells // width, cells % width
    return torch.stack(((columns + 0.5) / width, (rows + 0.5) / height), dim=2).to(dtype)


def _neighbours(positions: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """The two cells (B, N, 2) next to positions (B, N) along an axis of this many cells, and the share of each.

    A cell outside has share 0, and its index is that of the cell at the border.
    """
    places = positions * cells - 0.5
    first = places.floor()
    both = torch.stack((first, first + 1), dim=2)
    shares = 1 - (places.unsqueeze(2) - both).abs()
    inside = (both >= 0) & (both < cells)
    return both.clamp(0, cells - 1).long(), shares * inside
