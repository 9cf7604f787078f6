"""Cross-entropy over the labels that are not ignored (RECIPE section 8), also of logits on a coarser grid."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from pointrend.model.resize import blocks_of_rows, mixed_rows, row_mix, wider


def cross_entropy(logits: Tensor, labels: Tensor, ignore_index: int) -> tuple[Tensor, Tensor]:
    """Mean over the labels that are not ignored, 0 where there are none; and their count.

    ``logits`` (B, K, ...) and ``labels`` (B, ...), int64.
    """
    total = functional.cross_entropy(logits, labels, ignore_index=ignore_index, reduction="sum")
    return _mean(total, labels, ignore_index)


def enlarged_cross_entropy(logits: Tensor, labels: Tensor, ignore_index: int) -> tuple[Tensor, Tensor]:
    """:func:`cross_entropy` of logits (B, K, h, w) that are resized bilinearly to the size of ``labels`` (B, H, W).

    The resized logits, their softmax and the gradients of both never exist as a whole: they are computed and used row
    by row, while they are in the cache, and only the gradient of ``logits`` is kept for the backward pass.
    """
    return _mean(_EnlargedCrossEntropy.apply(logits, labels, ignore_index), labels, ignore_index)


def _mean(total: Tensor, labels: Tensor, ignore_index: int) -> tuple[Tensor, Tensor]:
    valid = (labels != ignore_index).sum()
    return total / valid.clamp(min=1), valid


class _EnlargedCrossEntropy(torch.autograd.Function):
    """The sum over all pixels. Its gradient is made along with it, since both need the same softmax."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
        maps = logits.contiguous()
        total = maps.new_zeros(())
        gradient = torch.zeros_like(maps) if ctx.needs_input_grad[0] else None
        for start, stop in blocks_of_rows(maps, *labels.shape[1:]):
            mix = row_mix(start, stop, labels.shape[1], maps.shape[2], maps)
            rows = mixed_rows(maps, mix)
            of_block = labels[:, start:stop]
            log_likelihood = wider(rows, labels.shape[2]).log_softmax(dim=1)
            total += functional.nll_loss(log_likelihood, of_block, ignore_index=ignore_index, reduction="sum")
            if gradient is not None:
                along_rows = _narrower(_logit_gradient(log_likelihood, of_block, ignore_index), rows)
                lower = along_rows * mix.share.unsqueeze(1)
                gradient.index_add_(2, mix.upper, along_rows.sub_(lower)).index_add_(2, mix.lower, lower)
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_total: Tensor) -> tuple[Tensor | None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * of_total, None, None


def _logit_gradient(log_likelihood: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    """Softmax less one at the label, 0 where the label is ignored; ``log_likelihood`` is overwritten."""
    valid = (labels != ignore_index).unsqueeze(1)
    gradient = log_likelihood.exp_().mul_(valid)
    classes = labels.unsqueeze(1).masked_fill(~valid, 0)
    return gradient.scatter_add_(1, classes, -valid.to(gradient.dtype))


def _narrower(gradient: Tensor, rows: Tensor) -> Tensor:
    """Gradient of ``rows`` (B, K, n, w) from that of the same rows resized to another width."""
    if gradient.shape == rows.shape:
        return gradient
    return torch.ops.aten.upsample_bilinear2d_backward(gradient, gradient.shape[2:], rows.shape, False)
