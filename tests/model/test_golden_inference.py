"""The test forward, against golden numbers of two pictures: odd sizes and even ones."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pointrend.check.golden import (
    VOC_R50,
    golden_arrays,
    golden_batch,
    golden_facts,
    golden_model,
    golden_state,
)
from pointrend.model.pointrend import Inference, PointRend
from pointrend.model.points import least_certain_cells, uncertainty

LOGIT_TOLERANCE = 2e-4
POINT_TOLERANCE = 4
LABEL_TOLERANCE = 0.001
CASES = (0, 1)
STEPS = (0, 1)


@functools.cache
def model() -> PointRend:
    return golden_model().eval()


@functools.cache
def picture(case: int) -> Tensor:
    height, width = golden_facts()[f"test{case}"]["input_hw"]
    return golden_batch(5010 + 10 * case, 1, height, width)


@functools.cache
def inference(case: int) -> Inference:
    return model().infer(picture(case))


def assert_golden(values: Tensor, name: str, every: int) -> None:
    assert list(values.shape) == golden_arrays()[f"{name}_shape"].tolist()
    expected = golden_arrays()[f"{name}_sub{every}"]
    np.testing.assert_allclose(values.flatten()[::every], expected, rtol=0, atol=LOGIT_TOLERANCE)


def test_golden_weights_are_made_as_stated() -> None:
    for name, check in golden_facts()["weight_check"].items():
        values = golden_state()[name].double()
        assert values.flatten()[:3].tolist() == check["first3"]
        assert values.sum().item() == pytest.approx(check["sum"], abs=1e-9)
        assert values.abs().sum().item() == pytest.approx(check["abs_sum"], rel=1e-12)
    total = sum(parameter.detach().double().abs().sum().item() for parameter in model().parameters())
    assert total == pytest.approx(golden_facts()["all_params_abs_sum"], rel=1e-12)


def test_golden_pictures_are_made_as_stated() -> None:
    arrays = golden_arrays()
    np.testing.assert_allclose(picture(0), arrays["test0_input"], atol=1e-6)
    np.testing.assert_allclose(picture(1).flatten()[::7], arrays["test1_input_sub7"], atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_pyramid(case: int) -> None:
    with torch.no_grad():
        pyramid = model().fpn(model().backbone(picture(case)))
    assert len(pyramid) == 4
    for level, features in enumerate(pyramid):
        assert_golden(features, f"test{case}_fpn{level}", every=97)


@pytest.mark.parametrize("case", CASES)
def test_coarse_logits(case: int) -> None:
    assert_golden(inference(case).coarse, f"test{case}_coarse", every=7)


@pytest.mark.parametrize("case", CASES)
def test_refined_logits(case: int) -> None:
    assert_golden(inference(case).refined, f"test{case}_refined", every=7)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("step", STEPS)
def test_refined_cells(case: int, step: int) -> None:
    name = f"test{case}_step{step}"
    height, width = golden_arrays()[f"{name}_hw"]
    cells = inference(case).refined_cells[step][0].numpy()
    assert len(np.unique(cells)) == len(cells) == golden_facts()[name]["num_points"]
    chosen = np.zeros(height * width, dtype=bool)
    chosen[cells] = True
    expected = np.unpackbits(golden_arrays()[f"{name}_selected_packbits"], count=height * width).astype(bool)
    # A point that differs is one that is missing and one that is too many.
    assert (chosen != expected).sum() <= 2 * POINT_TOLERANCE


@functools.cache
def map_before_step(case: int, step: int) -> Tensor:
    fewer = PointRend(dataclasses.replace(VOC_R50, subdivision_steps=step)).eval()
    fewer.load_state_dict(model().state_dict())
    refined = fewer.infer(picture(case)).refined
    return functional.interpolate(refined, scale_factor=2, mode="bilinear", align_corners=False)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("step", STEPS)
def test_cell_centres(case: int, step: int) -> None:
    name = f"test{case}_step{step}"
    cells, centres = least_certain_cells(map_before_step(case, step), VOC_R50.subdivision_points)
    ours = dict(zip(cells[0].tolist(), centres[0], strict=True))
    expected = zip(golden_arrays()[f"{name}_first400_idx"], golden_arrays()[f"{name}_first400_xy"], strict=True)
    both = [(ours[int(cell)], centre) for cell, centre in expected if int(cell) in ours]
    assert len(both) >= 400 - POINT_TOLERANCE
    for centre, golden in both:
        np.testing.assert_allclose(centre, golden, rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("step", STEPS)
def test_uncertainty_on_both_sides_of_the_cut(case: int, step: int) -> None:
    facts = golden_facts()[f"test{case}_step{step}"]
    doubt = uncertainty(map_before_step(case, step)).flatten().sort(descending=True).values
    kept = facts["num_points"]
    assert doubt[kept - 1].item() == pytest.approx(facts["threshold_uncertainty_kept"], abs=LOGIT_TOLERANCE)
    if facts["next_uncertainty"] is None:
        assert len(doubt) == kept
    else:
        assert doubt[kept].item() == pytest.approx(facts["next_uncertainty"], abs=LOGIT_TOLERANCE)


@pytest.mark.parametrize("case", CASES)
def test_label_map(case: int) -> None:
    height, width = golden_facts()[f"test{case}"]["orig_hw"]
    logits = functional.interpolate(inference(case).refined, (height, width), mode="bilinear", align_corners=False)
    labels: NDArray[np.int64] = logits.argmax(dim=1)[0].numpy()
    expected = golden_arrays()[f"test{case}_labelmap_{height}x{width}"]
    assert (labels != expected).mean() <= LABEL_TOLERANCE


@pytest.mark.parametrize("case", CASES)
def test_spread_of_the_logits(case: int) -> None:
    facts = golden_facts()[f"test{case}"]
    coarse, refined = inference(case).coarse, inference(case).refined
    for value, name in ((coarse.std(), "coarse_std"), (coarse.min(), "coarse_min"), (coarse.max(), "coarse_max")):
        assert value.item() == pytest.approx(facts[name], abs=LOGIT_TOLERANCE)
    assert refined.std().item() == pytest.approx(facts["refined_std"], abs=LOGIT_TOLERANCE)
