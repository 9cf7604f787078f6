"""Cross-entropy of enlarged logits: the same number and gradient as with the enlarged map in one piece."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pointrend.model import resize
from pointrend.model.losses import enlarged_cross_entropy

IGNORE = 255
SIZES = [((5, 7), (20, 28)), ((6, 5), (23, 19)), ((4, 4), (4, 4)), ((9, 3), (9, 12)), ((8, 8), (5, 3))]


def case(small: tuple[int, int], large: tuple[int, int], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(small[0])
    logits = torch.randn(2, 6, *small, generator=generator, dtype=dtype) * 3
    labels = torch.randint(0, 6, (2, *large), generator=generator)
    labels[torch.rand(2, *large, generator=generator) < 0.3] = IGNORE
    return logits, labels


def plain(logits: Tensor, labels: Tensor) -> Tensor:
    full = functional.interpolate(logits, labels.shape[1:], mode="bilinear", align_corners=False)
    return functional.cross_entropy(full, labels, ignore_index=IGNORE)


@pytest.mark.parametrize("block", [1, 600, 2**20])
@pytest.mark.parametrize(("small", "large"), SIZES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-6)])
def test_loss_and_gradient(
    small,
    large,
    dtype,
    tolerance,
    block,
    monkeypatch,
):
    monkeypatch.setattr(resize, "CPU_BLOCK", block)
    logits, labels = case(small, large, dtype)
    ours, theirs = (logits.clone(memory_format=torch.channels_last).requires_grad_() for _ in range(2))
    found, valid = enlarged_cross_entropy(ours, labels, IGNORE)
    expected = plain(theirs, labels)
    (3 * found).backward()
    (3 * expected).backward()
    assert valid.item() == (labels != IGNORE).sum().item()
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=0)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=tolerance)


def test_without_labels_everything_is_zero():
    logits, labels = case((3, 3), (6, 6), torch.float32)
    logits.requires_grad_()
    loss, valid = enlarged_cross_entropy(logits, torch.full_like(labels, IGNORE), IGNORE)
    loss.backward()
    assert (loss.item(), valid.item()) == (0, 0)
    assert logits.grad is not None
    assert not logits.grad.any()
