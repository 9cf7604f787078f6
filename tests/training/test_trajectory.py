"""Five optimiser steps in a row, against golden numbers: in the warm-up and halfway through a run."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pointrend.check.families import PUBLISHED
from pointrend.check.golden import golden_facts, golden_model, training_batch
from pointrend.model.weights import to_upstream
from pointrend.training.loop import make_optimizer
from pointrend.training.schedule import learning_rate

LOSS_NAMES = {"loss_coarse": "loss_aux", "loss_point": "loss_cls", "loss": "loss_total"}
FLOAT32_TOLERANCES = (1e-5, 1e-3, 1e-2, 1e-2, 1e-2)
FLOAT64_TOLERANCES = (1e-9,) * 5
NAMES = ("warmup", "midway")


def golden(name: str, dtype: torch.dtype) -> dict[str, Any]:
    return golden_facts()[f"trajectory_{name}" + ("_float64" if dtype == torch.float64 else "")]


@dataclass(frozen=True)
class Trajectory:
    """Rates and losses before each step; weights and optimiser settings after the last. SSSegmentation's names."""

    rows: list[dict[str, float]]
    state: dict[str, Tensor]
    parameters: list[str]
    groups: list[dict[str, Any]]

    def all_parameters_abs_sum(self) -> float:
        return sum(self.state[name].double().abs().sum().item() for name in self.parameters)


@functools.cache
def trajectory(name: str, dtype: torch.dtype) -> Trajectory:
    plan, batch = golden(name, dtype), training_batch(dtype)
    model = golden_model(dtype)
    optimizer = make_optimizer(model, PUBLISHED)
    rows = []
    for iteration in range(plan["start_iter"], plan["start_iter"] + len(plan["rows"])):
        lr = learning_rate(PUBLISHED, iteration, plan["max_iters"])
        optimizer.param_groups[0]["lr"] = lr
        losses = model(*batch)
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        rows.append({"iter": iteration, "lr": lr, **{ours: losses[ours].item() for ours in LOSS_NAMES}})
    return Trajectory(
        rows,
        state=to_upstream(model.state_dict()),
        parameters=list(to_upstream(dict(model.named_parameters()))),
        groups=[{**group, "params": len(group["params"])} for group in optimizer.param_groups],
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("dtype", "tolerances"), [(torch.float32, FLOAT32_TOLERANCES), (torch.float64, FLOAT64_TOLERANCES)]
)
def test_losses(name, dtype, tolerances):
    rows, expected = trajectory(name, dtype).rows, golden(name, dtype)["rows"]
    for ours, theirs, tolerance in zip(rows, expected, tolerances, strict=True):
        assert ours["iter"] == theirs["iter"]
        assert ours["lr"] == pytest.approx(theirs["lr"], rel=1e-12)
        for our_name, their_name in LOSS_NAMES.items():
            assert ours[our_name] == pytest.approx(theirs[their_name], rel=tolerance), (ours["iter"], our_name)


@pytest.mark.parametrize("name", NAMES)
def test_weights_afterwards(name):
    done, expected = trajectory(name, torch.float64), golden(name, torch.float64)
    for tensor_name, values in expected["params_after"].items():
        tensor = done.state[tensor_name]
        assert tensor.abs().sum().item() == pytest.approx(values["abs_sum"], rel=1e-8), tensor_name
        np.testing.assert_allclose(tensor.flatten()[:5], values["first5"], rtol=1e-7, atol=1e-10)
    assert done.all_parameters_abs_sum() == pytest.approx(expected["all_params_abs_sum_after"], rel=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_weights_afterwards_in_single_precision(name):
    total = trajectory(name, torch.float32).all_parameters_abs_sum()
    assert total == pytest.approx(golden(name, torch.float32)["all_params_abs_sum_after"], rel=1e-6)


def test_one_group_holds_every_parameter():
    expected = golden("midway", torch.float64)
    groups = trajectory("midway", torch.float64).groups
    assert len(groups) == expected["param_groups"]
    assert groups[0]["params"] == expected["n_tensors_group0"]
    for setting in ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize"):
        assert groups[0][setting] == pytest.approx(expected["group0"][setting], rel=1e-12)
