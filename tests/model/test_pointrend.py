"""What must hold of the network whatever its weights."""

from __future__ import annotations

import dataclasses
import functools

import pytest
import torch
from torch import Tensor

from pointrend.model.pointrend import Architecture, PointDraws, PointRend, draw_points
from tests.golden_weights import golden_model

THIN = Architecture(
    *(4, 50), width=8, fpn_channels=16, scale_channels=8, point_channels=16, train_points=64, subdivision_points=100
)
IGNORE = THIN.ignore_index


def thin_model(architecture: Architecture = THIN, seed: int = 0) -> PointRend:
    torch.manual_seed(seed)
    return PointRend(architecture).double()


@functools.cache
def batch() -> tuple[Tensor, Tensor, PointDraws]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 3, 64, 80, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 4, (2, 64, 80), generator=generator)
    return images, labels, draw_points(THIN, 2, generator, torch.float64)


def losses_and_gradients(
    model: PointRend, images: Tensor, labels: Tensor, draws: PointDraws
) -> tuple[dict[str, Tensor], Tensor]:
    losses = model(images, labels, draws)
    losses["loss"].backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    assert all(gradient is not None for gradient in gradients)
    return losses, torch.cat([gradient.flatten() for gradient in gradients if gradient is not None])


def test_a_batch_without_a_label_has_loss_and_gradient_zero() -> None:
    images, labels, draws = batch()
    losses, gradients = losses_and_gradients(thin_model(), images, torch.full_like(labels, IGNORE), draws)
    assert {name: value.item() for name, value in losses.items()} == dict.fromkeys(losses, 0)
    assert (gradients == 0).all()


def test_labels_that_no_point_meets_leave_the_coarse_loss_alone() -> None:
    images, labels, draws = batch()
    labels = torch.full_like(labels, IGNORE)
    labels[0, 0, 0] = 1
    away = PointDraws(*(0.5 + draw / 4 for draw in draws))
    losses, gradients = losses_and_gradients(thin_model(), images, labels, away)
    assert (losses["valid_pixels"].item(), losses["valid_points"].item()) == (1, 0)
    assert losses["loss_point"].item() == 0
    assert losses["loss"].item() == losses["loss_coarse"].item() > 0
    assert gradients.isfinite().all()


def test_loss_weights_and_their_sum() -> None:
    plain, weighted = (
        thin_model(dataclasses.replace(THIN, point_loss_weight=point, coarse_loss_weight=coarse))(*batch())
        for point, coarse in ((1.0, 1.0), (3.0, 0.5))
    )
    assert weighted["loss_point"].item() == pytest.approx(3 * plain["loss_point"].item(), rel=1e-12)
    assert weighted["loss_coarse"].item() == pytest.approx(plain["loss_coarse"].item() / 2, rel=1e-12)
    total = weighted["loss_point"] + weighted["loss_coarse"]
    assert weighted["loss"].item() == total.item()


def test_images_of_a_batch_are_inferred_independently() -> None:
    model, images = thin_model().eval(), batch()[0]
    together = model.infer(images)
    for index in range(2):
        alone = model.infer(images[index : index + 1])
        torch.testing.assert_close(together.refined[index], alone.refined[0], rtol=0, atol=1e-10)
        assert [set(cells[index].tolist()) for cells in together.refined_cells] == [
            set(cells[0].tolist()) for cells in alone.refined_cells
        ]


def test_without_subdivision_the_coarse_logits_remain() -> None:
    inference = thin_model(dataclasses.replace(THIN, subdivision_steps=0)).eval().infer(batch()[0])
    assert torch.equal(inference.refined, inference.coarse)
    assert inference.refined_cells == ()


def test_inference_needs_no_gradient() -> None:
    assert not thin_model().eval().infer(batch()[0]).refined.requires_grad


def test_channels_last_changes_no_inference() -> None:
    model, images = golden_model().eval(), torch.randn(1, 3, 97, 131, generator=torch.Generator().manual_seed(2))
    expected = model.infer(images)
    model.to(memory_format=torch.channels_last)
    found = model.infer(images.contiguous(memory_format=torch.channels_last))
    assert model.backbone.layer1[0].conv2.weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found.coarse, expected.coarse, rtol=0, atol=2e-4)
    differs = (found.refined - expected.refined).abs().amax(dim=1) > 2e-4
    assert differs.sum() <= 8


def test_channels_last_changes_no_loss_and_no_gradient() -> None:
    expected, expected_gradients = losses_and_gradients(thin_model(), *batch())
    images, labels, draws = batch()
    model = thin_model().to(memory_format=torch.channels_last)
    images = images.contiguous(memory_format=torch.channels_last)
    found, gradients = losses_and_gradients(model, images, labels, draws)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)
    torch.testing.assert_close(gradients, expected_gradients, rtol=1e-6, atol=1e-9)


def test_draws_follow_from_the_generator_alone() -> None:
    first, again, other = (draw_points(THIN, 3, torch.Generator().manual_seed(seed)) for seed in (7, 7, 8))
    assert first.oversampled.shape == (3, 192, 2)
    assert first.uniform.shape == (3, 16, 2)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not torch.equal(first.uniform, other.uniform)
    assert first.oversampled.dtype == torch.float32
    assert (first.oversampled >= 0).all()
    assert (first.oversampled < 1).all()
