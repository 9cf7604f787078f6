"""Points: what lies where, which are chosen, and that images of a batch do not see each other."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pointrend.model.points import (
    label_at_points,
    least_certain_cells,
    sample_points,
    select_training_points,
    uncertainty,
)

MAP = torch.arange(1.0, 13.0).reshape(1, 1, 3, 4)


def centre(row: int, column: int) -> list[float]:
    return [(column + 0.5) / 4, (row + 0.5) / 3]


def test_a_label_is_that_of_the_pixel_a_point_lies_in():
    points = torch.tensor([[[0.26, 0.34], [0.74, 0.66], [0.99, 0.99], [0.0, 0.0]]])
    assert label_at_points(MAP[0].long(), points)[0].tolist() == [6, 7, 12, 1]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_values_and_gradients_are_those_of_grid_sample(layout):
    generator = torch.Generator().manual_seed(3)
    maps = torch.rand(2, 5, 7, 4, generator=generator, dtype=torch.float64).to(memory_format=layout)
    points = torch.rand(2, 300, 2, generator=generator, dtype=torch.float64)
    points[:, :9] = torch.tensor([[x, y] for x in (0.0, 0.5, 1.0) for y in (0.0, 0.5, 1.0)])
    points[:, 9:40] = 3 * points[:, 9:40] - 1
    weights = torch.rand(2, 5, 300, generator=generator, dtype=torch.float64)
    found, expected = (maps.clone().requires_grad_() for _ in range(2))
    values = sample_points(found, points)
    (values * weights).sum().backward()
    grid = 2 * points.unsqueeze(2) - 1
    plain = torch.nn.functional.grid_sample(expected, grid, padding_mode="zeros", align_corners=False).squeeze(3)
    (plain * weights).sum().backward()
    torch.testing.assert_close(values, plain, rtol=0, atol=1e-14)
    torch.testing.assert_close(found.grad, expected.grad, rtol=0, atol=1e-13)


@pytest.mark.parametrize("classes", [2, 7])
def test_uncertainty_is_exactly_that_of_the_two_largest(classes):
    logits = torch.randn(2, classes, 5, 6, generator=torch.Generator().manual_seed(4))
    logits[0, :, 0] = 1.5
    top = logits.topk(2, dim=1).values
    assert torch.equal(uncertainty(logits), top[:, 1] - top[:, 0])
    by_hand = torch.tensor([[3.0, -1.0], [1.0, -1.0], [2.5, -4.0]]).unsqueeze(0)
    assert uncertainty(by_hand).tolist() == [[-0.5, 0.0]]


def least_sure(order: list[int]) -> torch.Tensor:
    """Two-class logits (1, 2, 3, 4) whose cells are the less certain the earlier they come in ``order``."""
    lead = torch.empty(12)
    lead[order] = torch.arange(12.0)
    return torch.stack((lead, torch.zeros(12))).reshape(1, 2, 3, 4)


@settings(deadline=None, max_examples=50)
@given(orders=st.lists(st.permutations(range(12)), min_size=1, max_size=3), count=st.integers(1, 15))
def test_least_certain_cells_of_each_map(orders, count):
    cells, points = least_certain_cells(torch.cat([least_sure(order) for order in orders]), count)
    assert cells.shape == (len(orders), min(count, 12))
    for of_map, of_map_points, order in zip(cells.tolist(), points.tolist(), orders, strict=True):
        assert of_map == order[:count]
        for cell, point in zip(of_map, of_map_points, strict=True):
            assert point == pytest.approx(centre(*divmod(cell, 4)))


@settings(deadline=None, max_examples=50)
@given(orders=st.lists(st.permutations(range(12)), min_size=1, max_size=3), important=st.integers(1, 12))
def test_training_points_are_chosen_image_by_image(orders, important):
    coarse = torch.cat([least_sure(order) for order in orders])
    centres = torch.tensor([[centre(*divmod(cell, 4)) for cell in range(12)]]).expand(len(orders), -1, -1)
    uniform = torch.rand(len(orders), 5, 2)
    points = select_training_points(coarse, centres, uniform, important)
    assert torch.equal(points[:, important:], uniform)
    for of_image, order in zip(points, orders, strict=True):
        expected = {tuple(centres[0, cell].tolist()) for cell in order[:important]}
        assert {tuple(point) for point in of_image[:important].tolist()} == expected


def test_choosing_training_points_has_no_gradient():
    coarse, oversampled, uniform = (
        torch.rand(shape, requires_grad=True) for shape in ((2, 3, 4, 4), (2, 9, 2), (2, 1, 2))
    )
    assert not select_training_points(coarse, oversampled, uniform, important=3).requires_grad
