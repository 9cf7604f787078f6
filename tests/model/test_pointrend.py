"""What must hold of the network whatever its weights."""

import functools

import torch
from torch import Tensor

from pointrend.model.pointrend import Architecture, PointDraws, PointRend, draw_points

THIN = Architecture(
    *(4, 50), width=8, fpn_channels=16, scale_channels=8, point_channels=16, train_points=64, subdivision_points=100
)
IGNORE = THIN.ignore_index


def thin_model() -> PointRend:
    torch.manual_seed(0)
    return PointRend(THIN).double()


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


def test_a_batch_without_a_label_has_loss_and_gradient_zero():
    images, labels, draws = batch()
    losses, gradients = losses_and_gradients(thin_model(), images, torch.full_like(labels, IGNORE), draws)
    assert {name: value.item() for name, value in losses.items()} == dict.fromkeys(losses, 0)
    assert (gradients == 0).all()


def test_labels_that_no_point_meets_leave_the_coarse_loss_alone():
    images, labels, draws = batch()
    labels = torch.full_like(labels, IGNORE)
    labels[0, 0, 0] = 1
    away = PointDraws(*(0.5 + draw / 4 for draw in draws))
    losses, gradients = losses_and_gradients(thin_model(), images, labels, away)
    assert (losses["valid_pixels"].item(), losses["valid_points"].item()) == (1, 0)
    assert losses["loss_point"].item() == 0
    assert losses["loss"].item() == losses["loss_coarse"].item() > 0
    assert gradients.isfinite().all()


def test_images_of_a_batch_are_inferred_independently():
    model, images = thin_model().eval(), batch()[0]
    together = model.infer(images)
    for index in range(2):
        alone = model.infer(images[index : index + 1])
        torch.testing.assert_close(together.refined[index], alone.refined[0], rtol=0, atol=1e-10)
        assert [set(cells[index].tolist()) for cells in together.refined_cells] == [
            set(cells[0].tolist()) for cells in alone.refined_cells
        ]
