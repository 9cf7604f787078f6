"""Adaptive subdivision whose last, largest map never exists as a whole (RECIPE section 9).

At 150 classes a map of 1024x2048 cells takes 1.2 GB. Its least certain cells and the largest class of each cell are
computed a few rows at a time from the map before the last doubling.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from pointrend.model.pointrend import PointRend
from pointrend.model.points import cell_centres, cells_around, uncertainty
from pointrend.model.resize import blocks_of_rows, mixed_rows, row_mix, wider


@dataclass(frozen=True)
class RefinedMap:
    """Logits of one image: a ``source`` (1, K, h, w) resized to ``size``, with ``logits`` (K, N) at ``cells``."""

    source: Tensor
    size: tuple[int, int]
    cells: Tensor  # row-major positions (N,), int64, ascending
    logits: Tensor

    @classmethod
    def resized(cls, source: Tensor, factor: int) -> RefinedMap:
        """A map with no refined cells, ``factor`` times as high and wide as its source."""
        height, width = source.shape[2:]
        nothing = torch.empty(0, dtype=torch.int64, device=source.device)
        return cls(source, (factor * height, factor * width), nothing, source.new_empty(source.shape[1], 0))

    def rows(self, start: int, stop: int) -> Tensor:
        """Rows ``start`` to ``stop`` as logits (1, K, stop - start, w)."""
        (height, width), source_height = self.size, self.source.shape[2]
        block = self.source[:, :, start:stop]
        if source_height != height:
            block = mixed_rows(self.source, row_mix(start, stop, height, source_height, self.source))
        block = wider(block, width).contiguous()
        first, last = (int(torch.searchsorted(self.cells, row * width)) for row in (start, stop))
        if first < last:
            block[0].flatten(1).index_copy_(1, self.cells[first:last] - start * width, self.logits[:, first:last])
        return block

    def whole(self) -> Tensor:
        """The map in one piece, (1, K, *size)."""
        return torch.cat([self.rows(*block) for block in blocks_of_rows(self.source, *self.size)], dim=2)

    def least_certain(self, count: int) -> Tensor:
        """Ascending positions of the ``count`` least certain cells, or of all where there are fewer."""
        blocks = blocks_of_rows(self.source, *self.size)
        doubt = torch.cat([uncertainty(self.rows(*block)).flatten() for block in blocks])
        return doubt.topk(min(count, len(doubt))).indices.sort().values

    def labels(self, height: int, width: int) -> Tensor:
        """Largest class (height, width), uint8, of the map resized bilinearly; the lowest one of equal logits."""
        blocks = blocks_of_rows(self.source, height, width)
        return torch.cat([largest_class(self._resized_rows(*block, (height, width))) for block in blocks])

    def _resized_rows(self, start: int, stop: int, size: tuple[int, int]) -> Tensor:
        """Rows of this map resized once more, to ``size``."""
        if size[0] == self.size[0]:
            return wider(self.rows(start, stop), size[1])
        mix = row_mix(start, stop, size[0], self.size[0], self.source)
        first, last = int(mix.upper[0]), int(mix.lower[-1]) + 1
        rows = self.rows(first, last)
        return wider(mixed_rows(rows, mix._replace(upper=mix.upper - first, lower=mix.lower - first)), size[1])


def refine(model: PointRend, fine: Tensor, coarse: Tensor) -> RefinedMap:
    """Refine the coarse logits (1, K, h, w) of one image as :meth:`PointRend.infer` does."""
    refined = RefinedMap.resized(coarse, 1)
    for _ in range(model.architecture.subdivision_steps):
        refined = RefinedMap.resized(refined.whole(), 2)
        cells = refined.least_certain(model.architecture.subdivision_points)
        centres = cell_centres(cells.unsqueeze(0), refined.size, coarse.dtype)
        inputs = (values_at(maps, centres).to(fine.dtype) for maps in (fine, coarse))
        logits = model.point_head(*inputs)[0].to(coarse.dtype)
        refined = replace(refined, cells=cells, logits=logits)
    return refined


def values_at(maps: Tensor, points: Tensor) -> Tensor:
    """:func:`~pointrend.model.points.sample_points` in one pass, in which the looked-up cells are not copied."""
    batch, channels = maps.shape[:2]
    cells, shares = cells_around(maps, points)
    table = maps.permute(0, 2, 3, 1).reshape(-1, channels)
    values = functional.embedding_bag(cells, table, mode="sum", per_sample_weights=shares.to(table.dtype))
    return values.view(batch, -1, channels).transpose(1, 2)


def largest_class(logits: Tensor) -> Tensor:
    """Labels (h, w), uint8, of logits (1, K, h, w); of equal logits the lowest class wins."""
    best = logits[0, 0].clone()
    labels = torch.zeros_like(best, dtype=torch.uint8)
    for class_id, of_class in enumerate(logits[0]):
        labels.masked_fill_(of_class > best, class_id)
        torch.maximum(best, of_class, out=best)
    return labels
