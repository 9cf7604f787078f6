"""Training step, losses and evaluation on a CUDA device without a GPU: tensors have a device there, and no values.

An operation on tensors of two devices fails, and so does everything that needs a value and would wait for the GPU:
``.item()``, a branch, a shape that depends on data. The backward pass cannot be run this way.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode

from pointrend.model.pointrend import Architecture, PointRend
from pointrend.training.distributed import Processes
from pointrend.training.loader import TrainBatch
from pointrend.training.loop import TrainStep
from tests.tiny import tiny_setting

GPU = torch.device("cuda", 0)
PRECISIONS = ("float32", "tf32", "bf16")


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A fake GPU that can do bfloat16, and to which nothing is pinned."""
    tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda *_: True)
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: tensor)
    monkeypatch.setattr(nn.Module, "to", lambda module, *_, **__: module)  # fake weights cannot be moved
    with FakeTensorMode():
        yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = tf32


def model(precision: str, dtype: torch.dtype = torch.float32) -> tuple[PointRend, TrainStep]:
    """A thin network that was made on the fake GPU, and its step."""
    setting = tiny_setting("crop_size=[64, 64]", "width=8", f"precision={precision}")
    with GPU:
        torch.set_default_dtype(dtype)
        network = PointRend(Architecture.of(setting, 21)).train()
        torch.set_default_dtype(torch.float32)
    return network, TrainStep(network, setting.recipe, 3, 9, Processes(0, 1, GPU))


class Boxes:
    """Where the images are within their padding: on the CPU, so a branch on it waits for nothing."""

    def __init__(self, padded: bool) -> None:
        self.padded = padded

    def __ne__(self, whole: object) -> Any:
        return SimpleNamespace(any=lambda: self.padded)

    def to(self, device: torch.device, non_blocking: bool) -> Tensor:
        return torch.zeros(4, 4, dtype=torch.int64, device=device)


def batch(padded: bool) -> TrainBatch:
    """A batch of four images as the loader gives it, on the CPU."""
    pictures, labels = torch.zeros(4, 64, 64, 3, dtype=torch.uint8), torch.zeros(4, 64, 64, dtype=torch.uint8)
    boxes: Any = Boxes(padded)
    return TrainBatch(pictures, labels, boxes, torch.arange(4))


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_training_step_leaves_nothing_on_the_cpu_and_waits_for_nothing(
    precision: str, padded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, step = model(precision)
    seen: list[torch.dtype] = []
    network.backbone.layer4.register_forward_hook(lambda *call: seen.append(call[-1].dtype))
    monkeypatch.setattr(Tensor, "backward", lambda loss: seen.append(loss.dtype))
    monkeypatch.setattr(step.optimizer, "step", lambda: None)
    losses, empty = step(0, batch(padded))
    assert (losses.device, empty.device) == (GPU, GPU)
    assert seen == [torch.bfloat16 if precision == "bf16" else torch.float32, torch.float32]
    assert {tensor.device for tensor in (*network.parameters(), *network.buffers())} == {GPU}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_inference_runs_on_the_gpu(dtype: torch.dtype) -> None:
    """In bfloat16 up to the coarse logits: refining in it asks the GPU where the rows of a block begin."""
    network, _ = model("float32", dtype)
    images = torch.zeros(1, 3, 70, 90, device=GPU, dtype=dtype)
    found = network.eval().infer(images) if dtype == torch.float32 else network.features(images)
    for maps in found:
        assert {each.device for each in (maps if isinstance(maps, tuple) else [maps])} == {GPU}


@pytest.mark.parametrize("mistake", ["item", "branch", "shape", "device"])
def test_the_fake_gpu_sees(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, step = model("float32")
    seen = {"shape": DynamicOutputShapeException, "device": RuntimeError}.get(mistake, DataDependentOutputException)
    wrong = {
        "item": lambda points: points.sum().item(),
        "branch": lambda points: points if (points > 0).all() else None,
        "shape": lambda points: points[points > 0],
        "device": lambda points: points + torch.ones(points.shape),
    }[mistake]
    monkeypatch.setattr("pointrend.training.loop.PointDraws", lambda *draws: wrong(draws[0]))
    with pytest.raises(seen, match="" if mistake != "device" else "device"):
        step(0, batch(padded=False))
