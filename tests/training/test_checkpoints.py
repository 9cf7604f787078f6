"""Checkpoints: restored exactly, and never believed when damaged."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from pointrend.errors import TrainingError
from pointrend.training import checkpoints
from pointrend.training.checkpoints import KEPT, Progress
from pointrend.training.identity import Identity

OURS = Identity("voc_r50", 0, "f" * 64)
Damage = Callable[[Path], object]
Pair = tuple[nn.Module, torch.optim.Optimizer]


def network(seed: int) -> Pair:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.randn(2, 3, 8, 8)).square().sum().backward()
    optimizer.step()
    return model, optimizer


def save(folder: Path, iteration: int, seed: int = 0, lease: int = 0, training: Identity = OURS) -> Pair:
    model, optimizer = network(seed)
    progress = Progress(iteration, b"." * iteration, 1.5, 0)
    fence = SimpleNamespace(number=lease, mark=f"test-{lease:06d}", check=lambda: None)
    checkpoints.save_checkpoint(folder, model, optimizer, progress, training, fence)
    return model, optimizer


load_checkpoint = functools.partial(checkpoints.load_checkpoint, training=OURS)
last_iteration = functools.partial(checkpoints.last_iteration, training=OURS)


def resumed_at(folder: Path) -> int:
    """Iteration of the checkpoint that is used."""
    progress = load_checkpoint(folder, *network(0))
    assert progress is not None
    assert progress.iteration == last_iteration(folder)
    return progress.iteration


def test_everything_comes_back(tmp_path: Path) -> None:
    model, optimizer = save(tmp_path, 7)
    other, other_optimizer = network(1)
    assert load_checkpoint(tmp_path, other, other_optimizer) == Progress(7, b".......", 1.5, 0)
    for (name, one), two in zip(model.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two), name
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        ours, theirs = optimizer.state[one]["momentum_buffer"], other_optimizer.state[two]["momentum_buffer"]
        assert torch.equal(ours, theirs)
        assert ours.stride() == theirs.stride()


def test_the_newest_is_used_and_of_our_files_few_are_kept(tmp_path: Path) -> None:
    save(tmp_path, 1)
    theirs = [tmp_path / name for name in ("best-so-far.safetensors", "000000001.safetensors", "1-1.safetensors")]
    for path in theirs:
        path.write_bytes(b"of the user's")
    for iteration in (2, 3, 10):
        save(tmp_path, iteration)
    assert resumed_at(tmp_path) == 10
    assert len(list(tmp_path.glob("*.safetensors"))) - len(theirs) == len(list(tmp_path.glob("*.json"))) == KEPT
    assert all(path.read_bytes() == b"of the user's" for path in theirs)


def flip(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("safetensors", flip),
        ("safetensors", lambda path: os.truncate(path, path.stat().st_size - 10)),
        ("safetensors", Path.unlink),
        ("json", Path.unlink),
    ],
)
def test_a_damaged_one_is_skipped(tmp_path: Path, file: str, damage: Damage, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    damage(tmp_path / f"000000002-000000.{file}")
    assert resumed_at(tmp_path) == 1
    assert ("is damaged; the one before it is used" in caplog.text) == (file == "safetensors")


def test_another_network_is_an_error(tmp_path: Path) -> None:
    save(tmp_path, 1)
    model = nn.Linear(2, 2)
    with pytest.raises(TrainingError, match="does not fit the model"):
        load_checkpoint(tmp_path, model, torch.optim.SGD(model.parameters(), lr=0.1))


def test_a_full_disk_leaves_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pointrend.training.checkpoints.safetensors.torch.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path, 2)
    assert resumed_at(tmp_path) == 1
    assert not list(tmp_path.glob(".*"))


def test_that_of_another_training_is_neither_used_nor_passed_over(tmp_path: Path) -> None:
    for other in (OURS._replace(seed=1), OURS._replace(run="voc_r101"), OURS._replace(fingerprint="e" * 64)):
        folder = tmp_path / str(other)
        save(folder, 1)
        save(folder, 2, training=other)
        with pytest.raises(TrainingError) as caught:
            load_checkpoint(folder, *network(0))
        assert f"000000002-000000.json is of {other}, not of {OURS}; move it" in str(caught.value)
        with pytest.raises(TrainingError, match="is of"):
            last_iteration(folder)


def test_of_two_holders_the_later_one_counts(tmp_path: Path) -> None:
    """The earlier one wrote further ones after the later one had gone on from its second."""
    for iteration in (1, 2):
        save(tmp_path, iteration, lease=4)
    for iteration, lease in ((3, 5), (3, 4), (4, 4)):
        save(tmp_path, iteration, seed=lease, lease=lease)
    progress = load_checkpoint(tmp_path, *(found := network(0)))
    assert progress is not None
    assert progress.iteration == 3
    assert torch.equal(found[0].state_dict()["0.weight"], network(5)[0].state_dict()["0.weight"])
    save(tmp_path, 4, lease=5)
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["000000003-000005.json", "000000004-000005.json"]
