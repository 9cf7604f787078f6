"""Bilinear resizing a few rows at a time, so that full-size maps of all classes need never exist at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

CPU_BLOCK, GPU_BLOCK = 2**20, 2**26  # values in a block of rows: what fits into a CPU's cache or keeps a GPU busy


class RowMix(NamedTuple):
    """How rows of a resized map are made: ``(1 - share) * map[upper] + share * map[lower]``, three (n,) tensors."""

    upper: Tensor
    lower: Tensor
    share: Tensor


def blocks_of_rows(maps: Tensor, height: int, width: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of the blocks in which maps (B, K, h, w) are best resized to ``height`` rows of ``width``."""
    values = GPU_BLOCK if maps.is_cuda else CPU_BLOCK
    rows = max(1, values // (maps.shape[0] * maps.shape[1] * width))
    for start in range(0, height, rows):
        yield start, min(start + rows, height)


def row_mix(start: int, stop: int, height: int, source_height: int, like: Tensor) -> RowMix:
    """How rows ``start`` to ``stop`` are made when ``source_height`` rows are resized to ``height``.

    As in torch's bilinear interpolation with align_corners false. ``share`` has the type and device of ``like``.
    """
    rows = torch.arange(start, stop, device=like.device, dtype=torch.float64)
    places = ((rows + 0.5) * (source_height / height) - 0.5).clamp(min=0)
    upper = places.long().clamp(max=source_height - 1)
    lower = (upper + 1).clamp(max=source_height - 1)
    return RowMix(upper, lower, (places - upper).to(like.dtype))


def mixed_rows(maps: Tensor, mix: RowMix) -> Tensor:
    """Rows (B, K, n, w) of maps (B, K, h, w)."""
    return maps.index_select(2, mix.upper).lerp_(maps.index_select(2, mix.lower), mix.share.unsqueeze(1))


def wider(maps: Tensor, width: int) -> Tensor:
    """Maps (B, K, n, w) resized to (B, K, n, ``width``)."""
    if maps.shape[3] == width:
        return maps
    return functional.interpolate(maps, (maps.shape[2], width), mode="bilinear", align_corners=False)
