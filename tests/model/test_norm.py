"""Joined norms: two processes that hold parts of a batch compute what one process computes with all of it."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pointrend.model.norm import JoinedBatchNorm, convert_norms
from pointrend.model.pointrend import Architecture, PointDraws, PointRend, draw_points

CPU = torch.device("cpu")
PROCESSES = 2
CHANNELS = 6
# Input shapes of the two processes.
SHAPES = {
    "points": [(3, CHANNELS), (5, CHANNELS)],
    "one point": [(1, CHANNELS), (1, CHANNELS)],
    "lines": [(2, CHANNELS, 7), (3, CHANNELS, 4)],
    "pictures": [(2, CHANNELS, 4, 5), (1, CHANNELS, 6, 3)],
}
THIN = Architecture(3, depth=50, width=8, fpn_channels=16, scale_channels=8, point_channels=16, train_points=64)
SECONDS = 120


def norm_for(shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> nn.BatchNorm1d | nn.BatchNorm2d:
    norm = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(CHANNELS, dtype=dtype)
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(0.5, 2, CHANNELS))
        norm.bias.copy_(torch.linspace(-1, 1, CHANNELS))
    return norm


def inputs_and_gradient(shape: tuple[int, ...], rank: int, step: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(100 * step + rank)
    inputs = torch.randn(shape, generator=generator, dtype=torch.float64) * (1 + rank) + 3 * rank
    return inputs, torch.randn(shape, generator=generator, dtype=torch.float64)


def training_batch(rank: int) -> tuple[Tensor, Tensor, PointDraws]:
    generator = torch.Generator().manual_seed(rank)
    images = torch.randn(1, 3, 64, 64, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 3, (1, 64, 64), generator=generator)
    return images, labels, draw_points(THIN, 1, generator, torch.float64)


def thin_model() -> PointRend:
    torch.manual_seed(0)
    return PointRend(THIN).double()


def norm_case(shape: tuple[int, ...], rank: int) -> dict[str, Any]:
    """Three training steps of one joined norm, on one of the processes, and then its eval mode."""
    norm = convert_norms(nn.Sequential(norm_for(shape)), CPU)
    outputs, gradients = [], []
    for step in range(3):
        inputs, gradient = inputs_and_gradient(shape, rank, step)
        inputs.requires_grad_()
        norm(inputs).backward(gradient)
        outputs.append(norm(inputs).detach())
        gradients.append(inputs.grad)
    weight, bias = norm[0].weight.grad, norm[0].bias.grad
    evaluated = norm.eval()(inputs_and_gradient(shape, rank, 3)[0]).detach()
    state = norm[0].state_dict()
    return {"outputs": outputs, "inputs": gradients, "weight": weight, "bias": bias, "state": state, "eval": evaluated}


def training_case(rank: int) -> dict[str, Any]:
    """One step of a thin network in a data-parallel wrapper."""
    replica = DistributedDataParallel(convert_norms(thin_model(), CPU))
    losses = replica(*training_batch(rank))
    losses["loss"].backward()
    gradients = {name: parameter.grad for name, parameter in replica.module.named_parameters()}
    return {"loss": losses["loss"].detach(), "gradients": gradients, "state": replica.module.state_dict()}


def far_from_zero(rank: int) -> Tensor:
    """Single precision outputs for inputs whose mean is 10,000 times their spread."""
    norm = convert_norms(nn.Sequential(norm_for(SHAPES["points"][rank], torch.float32)), CPU)
    return norm((10_000 + inputs_and_gradient((500, CHANNELS), rank, 0)[0]).float()).detach()


def work(rank: int, folder: str) -> None:
    """Run every case as process ``rank`` of two and leave the results in ``folder``."""
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=PROCESSES)
    results: dict[str, Any] = {name: norm_case(shapes[rank], rank) for name, shapes in SHAPES.items()}
    results["training"] = training_case(rank)
    results["far from zero"] = far_from_zero(rank)
    torch.save(results, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("norm")
    processes = torch.multiprocessing.spawn(work, args=(str(folder),), nprocs=PROCESSES, join=False)
    deadline = time.monotonic() + SECONDS
    try:
        while not processes.join(timeout=5):
            assert time.monotonic() < deadline, f"the processes did not end within {SECONDS} s"
    finally:
        for process in processes.processes:
            process.kill()
    return [torch.load(Path(folder) / f"{rank}.pt", weights_only=True) for rank in range(PROCESSES)]


def as_rows(parts: list[Tensor]) -> Tensor:
    """The values of all processes as (elements, channels)."""
    return torch.cat([part.movedim(1, -1).reshape(-1, CHANNELS) for part in parts])


def assert_same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", SHAPES)
def test_two_joined_norms_are_one_norm_over_everything(results, name):
    of_ranks, shapes = [result[name] for result in results], SHAPES[name]
    one = norm_for((0, CHANNELS))
    for step in range(3):
        pairs = [inputs_and_gradient(shape, rank, step) for rank, shape in enumerate(shapes)]
        inputs = as_rows([pair[0] for pair in pairs]).requires_grad_()
        one(inputs).backward(as_rows([pair[1] for pair in pairs]))
        assert_same(as_rows([of_rank["outputs"][step] for of_rank in of_ranks]), one(inputs).detach())
        assert inputs.grad is not None
        assert_same(as_rows([of_rank["inputs"][step] for of_rank in of_ranks]), inputs.grad)
    assert one.weight.grad is not None
    assert one.bias.grad is not None
    assert_same(of_ranks[0]["weight"] + of_ranks[1]["weight"], one.weight.grad)
    assert_same(of_ranks[0]["bias"] + of_ranks[1]["bias"], one.bias.grad)
    for of_rank in of_ranks:
        assert list(of_rank["state"]) == list(one.state_dict())
        for entry, value in one.state_dict().items():
            assert_same(of_rank["state"][entry], value)
    rows = as_rows([inputs_and_gradient(shape, rank, 3)[0] for rank, shape in enumerate(shapes)])
    assert_same(as_rows([of_rank["eval"] for of_rank in of_ranks]), one.eval()(rows).detach())


def test_a_data_parallel_step_is_the_step_of_one_process(results):
    parts = [training_batch(rank) for rank in range(PROCESSES)]
    images, labels = (torch.cat([part[index] for part in parts]) for index in (0, 1))
    draws = PointDraws(*(torch.cat(kind) for kind in zip(*(part[2] for part in parts), strict=True)))
    model = thin_model()
    loss = model(images, labels, draws)["loss"]
    loss.backward()
    of_ranks = [result["training"] for result in results]
    # Every pixel has a label, so the mean of the two local means is the mean over both pictures.
    assert_same((of_ranks[0]["loss"] + of_ranks[1]["loss"]) / 2, loss.detach())
    for of_rank in of_ranks:
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(of_rank["gradients"][name], parameter.grad, rtol=1e-8, atol=1e-11)
        for name, value in model.state_dict().items():
            assert_same(of_rank["state"][name], value)


def test_single_precision_survives_inputs_far_from_zero(results):
    rows = as_rows([10_000 + inputs_and_gradient((500, CHANNELS), rank, 0)[0] for rank in range(PROCESSES)])
    expected = norm_for((0, CHANNELS))(rows.float().double()).detach().float()
    found = as_rows([result["far from zero"] for result in results])
    torch.testing.assert_close(found, expected, rtol=0, atol=5e-3)


@pytest.mark.parametrize(("device", "kind"), [("cpu", JoinedBatchNorm), ("cuda", nn.SyncBatchNorm)])
def test_conversion_keeps_names_values_and_modes(device, kind):
    model = thin_model()
    model.backbone.eval()
    before = model.state_dict(keep_vars=True)
    modes = {name: module.training for name, module in model.named_modules()}
    assert convert_norms(model, torch.device(device)) is model
    after = model.state_dict(keep_vars=True)
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)
    assert {name: module.training for name, module in model.named_modules()} == modes
    kinds = {type(module) for module in model.modules()}
    assert kind in kinds
    assert not kinds & {nn.BatchNorm1d, nn.BatchNorm2d}


@pytest.mark.parametrize("setting", [{"momentum": None}, {"affine": False}, {"track_running_stats": False}])
def test_norms_of_another_kind_are_refused(setting):
    with pytest.raises(ValueError, match="cannot join"):
        convert_norms(nn.Sequential(nn.BatchNorm2d(4, **setting)), CPU)
