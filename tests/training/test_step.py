"""The training step's options: precision, torch.compile over processes, and a GPU that is never waited for."""

import pytest
import torch
from torch import nn

from benchmarks.plain_network import PlainPointRend
from pointrend.checkout.machine import precision_record
from pointrend.errors import MachineError
from pointrend.model.inputs import normalize_batch
from pointrend.model.norm import JoinedBatchNorm
from pointrend.model.pointrend import Architecture, PointRend, draw_points
from pointrend.training.distributed import Processes
from pointrend.training.loader import TrainBatch
from pointrend.training.loop import TrainStep
from pointrend.training.run import batch_norm_kind
from pointrend.training.streams import POINTS, torch_seed
from tests.tiny import tiny_setting, write_tiny_store
from tests.training.trainings import losses, two_processes

CPU = torch.device("cpu")
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.fixture(autouse=True)
def _flags_as_before():
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def batch() -> TrainBatch:
    generator = torch.Generator().manual_seed(1)
    pictures = torch.randint(0, 256, (4, 64, 64, 3), generator=generator, dtype=torch.uint8)
    blocks = torch.randint(0, 21, (4, 8, 8), generator=generator, dtype=torch.uint8)
    labels = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)
    labels[:, :3] = 255
    return TrainBatch(pictures, labels, torch.tensor([[0, 0, 64, 64]] * 4), torch.arange(4))


def step_of(*more: str, device: torch.device = CPU) -> TrainStep:
    published = ("lr=0.01", "momentum=0.9", "weight_decay=0.0005", "warmup_iterations=0")
    setting = tiny_setting("crop_size=[64, 64]", "width=8", *published, *more)
    torch.manual_seed(0)
    return TrainStep(PointRend(Architecture.of(setting, 21)).train(), setting.recipe, 3, 9, Processes(0, 1, device))


def test_losses_and_weights_are_those_of_the_plain_network():
    ours, given = step_of(), batch()
    model = ours.model
    values, empty = ours(0, given)
    torch.manual_seed(0)
    plain = PlainPointRend(model.architecture).train()
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    draws = draw_points(model.architecture, 4, torch.Generator().manual_seed(torch_seed(3, POINTS, 0, 0)))
    loss = plain(normalize_batch(given.pictures, given.inside).contiguous(), given.labels.long(), draws)["loss"]
    loss.backward()
    optimizer.step()
    assert not empty
    assert values[0].item() == pytest.approx(loss.item(), rel=1e-5)
    for (name, found), expected in zip(model.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-4, msg=name)


def test_bf16_computes_in_bfloat16_and_keeps_everything_in_float32():
    ours = step_of("precision=bf16")
    model = ours.model
    seen: list[torch.dtype] = []
    model.backbone.layer4.register_forward_hook(lambda *call: seen.append(call[-1].dtype))
    model.point_head.register_forward_hook(lambda *call: seen.append(call[-1].dtype))
    found, expected = ours(0, batch())[0], step_of()(0, batch())[0]
    assert seen == [torch.bfloat16, torch.bfloat16]
    assert found.dtype == torch.float32
    assert not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0)
    with torch.autocast("cpu", torch.bfloat16):
        fine, coarse = model.features(torch.randn(4, 3, 64, 64))
    assert (fine.dtype, coarse.dtype) == (torch.bfloat16, torch.float32)
    momenta = [state["momentum_buffer"] for state in ours.optimizer.state.values()]
    assert {tensor.dtype for tensor in (*model.parameters(), *momenta)} == {torch.float32}


@pytest.mark.parametrize(("precision", "allowed"), [("tf32", True), ("float32", False), ("bf16", False)])
def test_only_tf32_rounds_products_on_a_gpu(precision, allowed):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = not allowed
    step_of(f"precision={precision}")
    assert torch.backends.cuda.matmul.allow_tf32 == torch.backends.cudnn.allow_tf32 == allowed
    assert precision_record(precision) == {
        "arithmetic": precision,
        "dtype": "float32",
        "tf32": allowed,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "deterministic": False,
    }


def test_convolutions_alone_in_tf32_are_recorded_as_tf32():
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = False, True
    assert precision_record("tf32")["tf32"] is True


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(2), nn.SyncBatchNorm(2), JoinedBatchNorm(nn.BatchNorm2d(2))])
def test_the_kind_of_norm_is_recorded(norm):
    kind = batch_norm_kind(nn.Sequential(nn.Conv2d(1, 2, 1), norm))
    assert kind == type(norm).__name__.removesuffix("2d")


def test_without_a_compiler_one_line_says_what_to_do(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(MachineError, match=r"no-such-compiler was not found; .*compile: false"):
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


@pytest.mark.slow
def test_two_processes_compiled_and_in_bf16(tmp_path):
    """Gloo and torch.compile's own tracing; the C++ that inductor makes of it would take minutes."""
    two_processes(WORKER, tmp_path, write_tiny_store(tmp_path / "store"), tmp_path)
    plain, compiled, bf16 = (losses(tmp_path / name) for name in ("plain", "compiled", "bf16"))
    assert len(plain) == 3
    assert compiled == pytest.approx(plain, rel=1e-4)
    assert bf16 != plain
    assert bf16 == pytest.approx(plain, rel=0.05)


@GPU
@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_a_step_never_waits_for_the_gpu(precision):
    ours = step_of(f"precision={precision}", device=torch.device("cuda"))
    ours(0, batch())
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        values, _ = ours(1, batch())
    finally:
        torch.cuda.set_sync_debug_mode("default")
    on_cpu = step_of(f"precision={precision}")
    on_cpu(0, batch())
    torch.testing.assert_close(values.cpu(), on_cpu(1, batch())[0], rtol=0.05, atol=0)
