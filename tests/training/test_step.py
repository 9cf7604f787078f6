"""The training step's options: precision, torch.compile over processes, and a GPU that is never waited for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.plain_network import PlainPointRend
from pointrend.errors import MachineError
from pointrend.model.build import architecture
from pointrend.model.pointrend import PointDraws, PointRend, draw_points
from pointrend.model.precision import autocast
from pointrend.settings.recipe import Recipe
from pointrend.training.distributed import Processes
from pointrend.training.optimizer import make_optimizer
from pointrend.training.step import TrainStep, memory_format
from tests.ranks import run_two
from tests.tiny import tiny_setting, write_tiny_store

CPU = torch.device("cpu")
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.fixture(autouse=True)
def _flags_as_before() -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def recipe(*more: str) -> Recipe:
    return tiny_setting("crop_size=[64, 64]", "width=8", *more).recipe


def batch() -> tuple[Tensor, Tensor, PointDraws]:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 21, (4, 8, 8), generator=generator).repeat_interleave(8, 1).repeat_interleave(8, 2)
    labels[:, :3] = 255
    images = torch.randn(4, 3, 64, 64, generator=generator)
    return images, labels, draw_points(architecture(tiny_setting(), 21), 4, generator)


def step_of(*more: str, device: torch.device = CPU, kind: type[PointRend] = PointRend) -> tuple[TrainStep, PointRend]:
    settings = recipe(*more)
    torch.manual_seed(0)
    model = kind(architecture(tiny_setting("width=8"), 21)).train().to(device)
    model = model.to(memory_format=memory_format(settings))
    optimizer = make_optimizer(model, lr=0.01, momentum=0.9, weight_decay=5e-4)
    return TrainStep(model, optimizer, settings, Processes(0, 1, device)), model


def test_losses_and_weights_are_those_of_the_plain_network() -> None:
    ours, model = step_of()
    values, empty = ours(*batch())
    torch.manual_seed(0)
    plain = PlainPointRend(model.architecture).train()
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    loss = plain(*batch())["loss"]
    loss.backward()
    optimizer.step()
    assert not empty
    assert values[0].item() == pytest.approx(loss.item(), rel=1e-5)
    for (name, found), expected in zip(model.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-4, msg=name)


def test_bf16_computes_in_bfloat16_and_keeps_everything_in_float32() -> None:
    ours, model = step_of("precision=bf16")
    seen: list[torch.dtype] = []
    model.backbone.layer4.register_forward_hook(lambda *call: seen.append(call[-1].dtype))
    model.point_head.register_forward_hook(lambda *call: seen.append(call[-1].dtype))
    found, expected = ours(*batch())[0], step_of()[0](*batch())[0]
    assert seen == [torch.bfloat16, torch.bfloat16]
    assert found.dtype == torch.float32
    assert not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0)
    with autocast("bf16", CPU):
        fine, coarse = model.features(batch()[0])
    assert (fine.dtype, coarse.dtype) == (torch.bfloat16, torch.float32)
    momenta = [state["momentum_buffer"] for state in ours.optimizer.state.values()]
    assert {tensor.dtype for tensor in (*model.parameters(), *momenta)} == {torch.float32}


@pytest.mark.parametrize(("precision", "allowed"), [("tf32", True), ("float32", False), ("bf16", False)])
def test_only_tf32_rounds_products_on_a_gpu(precision: str, allowed: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = not allowed
    step_of(f"precision={precision}")
    assert torch.backends.cuda.matmul.allow_tf32 == torch.backends.cudnn.allow_tf32 == allowed


def test_without_a_compiler_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(MachineError, match=r"no-such-compiler is not there; .*compile: false"):
        step_of("compile=true")


WORKER = """
import functools, sys
from pathlib import Path
import torch
from pointrend.model.resnet import BLOCKS
from pointrend.training.distributed import join_processes
from pointrend.training.loop import Trainer
from tests.tiny import tiny_setting

torch.compile = functools.partial(torch.compile, backend="eager")
BLOCKS[50] = (1, 1, 1, 1)  # The more blocks, the longer the tracing.
store, out = Path(sys.argv[1]), Path(sys.argv[2])
with join_processes(2, "cpu", 1) as processes:
    for name, settings in {"plain": [], "compiled": ["compile=true"], "bf16": ["precision=bf16"]}.items():
        Trainer(tiny_setting("gpus=2", "epochs=1", *settings), 0, store, out / name, None, processes).run()
"""


def test_two_processes_compiled_and_in_bf16(tmp_path: Path) -> None:
    """Gloo and torch.compile's own tracing; the C++ that inductor makes of it would take minutes."""
    (tmp_path / "worker.py").write_text(WORKER)
    run_two(tmp_path / "worker.py", write_tiny_store(tmp_path / "store"), tmp_path, seconds=400)
    plain, compiled, bf16 = (losses(tmp_path / name) for name in ("plain", "compiled", "bf16"))
    assert len(plain) == 3
    assert compiled == pytest.approx(plain, rel=1e-4)
    assert bf16 != plain
    assert bf16 == pytest.approx(plain, rel=0.05)


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


@GPU
@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_a_step_never_waits_for_the_gpu(precision: str) -> None:
    ours, _ = step_of(f"precision={precision}", device=torch.device("cuda"))
    ours(*batch())
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        values, _ = ours(*batch())
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(values.cpu(), step_of_cpu(precision), rtol=0.05, atol=0)


def step_of_cpu(precision: str) -> Tensor:
    """Losses of the second step, as the CPU has them."""
    ours, _ = step_of(f"precision={precision}")
    ours(*batch())
    return ours(*batch())[0]
