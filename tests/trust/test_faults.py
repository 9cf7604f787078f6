"""Writes that fail and bits that flip: the last whole checkpoint is used, and the result is that of a calm machine."""

from __future__ import annotations

import contextlib
import errno
import itertools
from pathlib import Path

import pytest
import torch
from torch import nn

from pointrend.cli import main
from pointrend.errors import MachineError
from pointrend.files import atomic_path, sha256_file
from pointrend.training.checkpoints import Progress, load_checkpoint, save_checkpoint
from pointrend.training.identity import Identity
from tests.trust.conftest import MakeGround
from tests.trust.faults import failing

OURS = Identity("voc_r50", 0, "f" * 64)
NUMBERS = [errno.ENOSPC, errno.EIO]
Pair = tuple[nn.Module, torch.optim.Optimizer]


def network(seed: int) -> Pair:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.randn(2, 3, 8, 8)).square().sum().backward()
    optimizer.step()
    return model, optimizer


def states(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    momenta = [optimizer.state[parameter]["momentum_buffer"] for parameter in model.parameters()]
    return [*model.state_dict().values(), *momenta]


def save(folder: Path, iteration: int) -> None:
    """The network of a checkpoint follows from its iteration."""
    save_checkpoint(folder, *network(iteration), Progress(iteration, b"." * iteration, 1.5, 0), OURS)


def loaded(folder: Path) -> int:
    """The iteration of the checkpoint that is used, after its tensors were looked at; 0 where there is none."""
    found = network(99)
    progress = load_checkpoint(folder, *found, OURS)
    if progress is None:
        return 0
    expected = network(progress.iteration)
    for kept, read in zip(states(*expected), states(*found), strict=True):
        assert torch.equal(kept, read)
    assert progress == Progress(progress.iteration, b"." * progress.iteration, 1.5, 0)
    return progress.iteration


@pytest.mark.parametrize("number", NUMBERS)
def test_every_write_of_a_checkpoint_may_fail(tmp_path: Path, number: int) -> None:
    for fails in itertools.count():
        folder = tmp_path / str(fails)
        save(folder, 1)
        save(folder, 2)
        with failing(fails, number) as disk, contextlib.suppress(OSError, MachineError):
            save(folder, 3)
        if len(disk.calls) <= fails:
            break
        assert loaded(folder) == 2, disk.calls
        assert not list(folder.glob(".*")), disk.calls
        save(folder, 3)
        assert loaded(folder) == 3
        assert len(list(folder.iterdir())) == 4
    assert disk.calls == ["create", "save tensors", "sync", "rename", "create", "write", "sync", "rename"]


@pytest.mark.parametrize("fails", [0, 1, 3, 6, 10, 15, 21, 28])
def test_a_training_whose_disk_fails_is_finished_by_the_same_command(
    fails: int, ground_of: MakeGround, made: MakeGround, capfd: pytest.CaptureFixture[str]
) -> None:
    ground = ground_of("prepared")
    with failing(fails, NUMBERS[fails % 2]) as disk:
        code = main(["--quiet", "train", "voc_r50"])
    errors = [line for line in capfd.readouterr().err.splitlines() if "error: " in line]
    assert (code, len(errors)) == (2, 1), disk.calls
    assert disk.error().strerror in errors[0]
    assert main(["--quiet", "train", "voc_r50"]) == 0
    model = "runs/demo/voc_r50-s0/model.safetensors"
    assert sha256_file(ground.path(model)) == sha256_file(made("done").path(model))
    assert not list(ground.root.rglob(".*.tmp"))


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A folder with two checkpoints."""
    save(tmp_path, 1)
    save(tmp_path, 2)
    return tmp_path


def test_a_flipped_bit_anywhere_is_noticed_and_the_one_before_is_used(
    two: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for file in (two / "000000002-000000.json", two / "000000002-000000.safetensors"):
        whole = file.read_bytes()
        for place in range(0, len(whole), max(1, len(whole) // 100)):
            caplog.clear()
            file.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
            assert loaded(two) == 1, (file, place)
            assert "000000002-000000.safetensors is damaged" in caplog.text
        file.write_bytes(whole)
    assert loaded(two) == 2


def test_where_all_are_damaged_training_starts_again_and_says_so(two: Path, caplog: pytest.LogCaptureFixture) -> None:
    for state in two.glob("*.safetensors"):
        state.write_bytes(b"")
    assert loaded(two) == 0
    assert "000000001-000000.safetensors is damaged; training starts from its beginning" in caplog.text


def test_a_state_whose_writer_was_killed_does_not_stay(two: Path) -> None:
    (two / "000000002-000000.json").unlink()
    (two / ".000000003-000000.safetensors.abc.tmp").write_bytes(b"half")
    assert loaded(two) == 1
    save(two, 3)
    assert sorted(path.name[:9] for path in two.iterdir()) == ["000000001"] * 2 + ["000000003"] * 2


def test_the_file_of_a_living_writer_is_no_leftover(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "file") as first:
        first.write_text("first")
        with atomic_path(tmp_path / "file") as second:
            second.write_text("second")
        assert first.read_text() == "first"
    assert (tmp_path / "file").read_text() == "first"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("damaged", [b"", b'{"iteration": 99}\n' * 99])
def test_a_log_that_lost_or_gained_bytes_is_that_of_its_checkpoint_again(ground_of: MakeGround, damaged: bytes) -> None:
    ground = ground_of("done")
    (log,) = ground.root.glob("checkpoints/demo/voc_r50-s0/*/metrics.jsonl")
    whole = log.read_bytes()
    log.write_bytes(damaged)
    ground.path("runs/demo/voc_r50-s0/metrics.jsonl").unlink()
    assert main(["train", "voc_r50"]) == 0
    assert log.read_bytes() == ground.path("runs/demo/voc_r50-s0/metrics.jsonl").read_bytes() == whole
