"""One training step, against golden numbers: with frozen norms and with batch statistics, in two precisions."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pointrend.check.golden import VOC_R50, golden_arrays, golden_facts, golden_model, training_batch
from pointrend.model.points import select_training_points
from pointrend.model.weights import to_upstream

FLOAT32, FLOAT64 = torch.float32, torch.float64
MODES = ("evalbn", "trainbn")
POINT_TOLERANCE = 4
LOSS_NAMES = {"loss_coarse": "loss_aux", "loss_point": "loss_cls", "loss": "loss_total"}


@dataclass(frozen=True)
class Step:
    """One forward and backward pass; names are SSSegmentation's."""

    losses: dict[str, Tensor]
    gradient_norms: dict[str, float | None]
    state_after: dict[str, Tensor]
    coarse: Tensor
    point_logits: Tensor


@functools.cache
def step(mode: str, dtype: torch.dtype) -> Step:
    model = golden_model(dtype)
    if mode == "evalbn":
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eval()
    outputs: dict[str, Tensor] = {}
    model.coarse_head.register_forward_hook(lambda *call: outputs.update(coarse=call[-1].detach()))
    model.point_head.register_forward_hook(lambda *call: outputs.update(points=call[-1].detach()))
    losses = model(*training_batch(dtype))
    losses["loss"].backward()
    gradients = to_upstream({name: parameter.grad for name, parameter in model.named_parameters()})
    return Step(
        losses={name: value.detach() for name, value in losses.items()},
        gradient_norms={name: None if value is None else value.norm().item() for name, value in gradients.items()},
        state_after=to_upstream(model.state_dict()),
        coarse=outputs["coarse"],
        point_logits=outputs["points"],
    )


def golden(mode: str, dtype: torch.dtype) -> dict[str, dict[str, float]]:
    return golden_facts()[f"train_{mode}" + ("_float64" if dtype == FLOAT64 else "")]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64])
def test_losses(mode: str, dtype: torch.dtype) -> None:
    losses, expected = step(mode, dtype).losses, golden(mode, dtype)["losses"]
    for ours, theirs in LOSS_NAMES.items():
        assert losses[ours].item() == pytest.approx(expected[theirs], rel=1e-5 if dtype == FLOAT32 else 1e-9)


@pytest.mark.parametrize(
    ("mode", "dtype", "tolerance"),
    [("evalbn", FLOAT32, 1e-4), ("trainbn", FLOAT32, 5e-3), ("evalbn", FLOAT64, 1e-7), ("trainbn", FLOAT64, 1e-7)],
)
def test_gradients(mode: str, dtype: torch.dtype, tolerance: float) -> None:
    norms, expected = step(mode, dtype).gradient_norms, golden(mode, dtype)
    assert None not in norms.values()
    assert len(expected["grad_norms"]) == 18
    for name, norm in expected["grad_norms"].items():
        assert norms[name] == pytest.approx(norm, rel=tolerance), name
    total = np.linalg.norm(list(norms.values()))
    assert total == pytest.approx(expected["grad_norm_total"], rel=tolerance)


@pytest.mark.parametrize("mode", MODES)
def test_logits(mode: str) -> None:
    done, arrays = step(mode, FLOAT32), golden_arrays()
    coarse = done.coarse.flatten()[::7]
    np.testing.assert_allclose(coarse, arrays[f"train_{mode}_coarse_sub7"], rtol=0, atol=2e-4)
    mean = done.point_logits.double().abs().mean().item()
    assert mean == pytest.approx(arrays[f"train_{mode}_point_logits_abs_mean"].item(), rel=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_selected_points(mode: str) -> None:
    draws = training_batch(FLOAT32)[2]
    points = select_training_points(step(mode, FLOAT32).coarse, *draws, important=VOC_R50.important_points)
    assert points.shape == (2, 2048, 2)
    assert torch.equal(points[:, VOC_R50.important_points :], draws.uniform)
    expected = golden_arrays()[f"train_{mode}_points_sorted"]
    for of_image, every_eighth in zip(points.tolist(), expected.tolist(), strict=True):
        ours = {tuple(point) for point in of_image}
        assert sum(tuple(point) not in ours for point in every_eighth) <= POINT_TOLERANCE


def test_running_statistics() -> None:
    state = step("trainbn", FLOAT32).state_after
    names = [name for name in golden_arrays() if name.startswith("trainbn_after_")]
    assert len(names) == 5
    for name in names:
        ours = state[name.removeprefix("trainbn_after_")]
        np.testing.assert_allclose(ours, golden_arrays()[name], rtol=1e-5, atol=1e-6)
    counters = [value.item() for name, value in state.items() if name.endswith("num_batches_tracked")]
    assert set(counters) == {golden_facts()["trainbn_num_batches_tracked"]}


def test_counts_of_what_the_losses_are_means_over() -> None:
    losses, labels = step("evalbn", FLOAT32).losses, training_batch(FLOAT32)[1]
    assert losses["valid_pixels"].item() == (labels != 255).sum().item()
    assert 0 < losses["valid_points"].item() < 2 * VOC_R50.train_points
