"""Checkpoints: restored exactly, and never believed when damaged."""

import contextlib
import errno
import functools
import itertools
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from pointrend.errors import MachineError, TrainingError
from pointrend.training import checkpoints
from pointrend.training.checkpoints import KEPT, Progress
from pointrend.training.identity import Identity
from tests.trust.faults import failing

OURS = Identity("voc_r50", 0, "f" * 64)
NUMBERS = [errno.ENOSPC, errno.EIO]
Pair = tuple[nn.Module, torch.optim.Optimizer]


def network(seed: int) -> Pair:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.randn(2, 3, 8, 8)).square().sum().backward()
    optimizer.step()
    return model, optimizer


def save(folder: Path, iteration: int, lease: int = 0, training: Identity = OURS, seed: int | None = None) -> None:
    """The network of a checkpoint follows from its iteration, or is that of ``seed``."""
    model, optimizer = network(iteration if seed is None else seed)
    progress = Progress(iteration, b"." * iteration, 1.5, 0)
    fence = SimpleNamespace(number=lease, mark=f"test-{lease:06d}", check=lambda: None)
    checkpoints.save_checkpoint(folder, model, optimizer, progress, training, fence)


load_checkpoint = functools.partial(checkpoints.load_checkpoint, training=OURS)
last_iteration = functools.partial(checkpoints.last_iteration, training=OURS)


def loaded(folder: Path) -> int:
    """The iteration of the checkpoint that is used, after its tensors were looked at; 0 where there is none."""
    model, optimizer = network(99)
    progress = load_checkpoint(folder, model, optimizer)
    if progress is None:
        return 0
    expected, expected_optimizer = network(progress.iteration)
    for (name, one), two in zip(expected.state_dict().items(), model.state_dict().values(), strict=True):
        assert torch.equal(one, two), name
    for one, two in zip(expected.parameters(), model.parameters(), strict=True):
        ours, theirs = expected_optimizer.state[one]["momentum_buffer"], optimizer.state[two]["momentum_buffer"]
        assert torch.equal(ours, theirs)
        assert ours.stride() == theirs.stride()
    assert progress == Progress(progress.iteration, b"." * progress.iteration, 1.5, 0)
    assert progress.iteration == last_iteration(folder)
    return progress.iteration


@pytest.mark.parametrize("number", NUMBERS)
def test_every_write_of_a_checkpoint_may_fail(tmp_path, number):
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


@pytest.fixture
def two(tmp_path):
    save(tmp_path, 1)
    save(tmp_path, 2)
    return tmp_path


def test_a_flipped_bit_anywhere_is_noticed_and_the_one_before_is_used(two, caplog):
    for file in (two / "000000002-000000.json", two / "000000002-000000.safetensors"):
        whole = file.read_bytes()
        for place in range(0, len(whole), max(1, len(whole) // 100)):
            caplog.clear()
            file.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
            assert loaded(two) == 1, (file, place)
            assert "000000002-000000.safetensors is damaged" in caplog.text
        file.write_bytes(whole)
    assert loaded(two) == 2
    (two / "000000002-000000.safetensors").unlink()
    assert loaded(two) == 1


def test_where_all_are_damaged_training_starts_again_and_says_so(two, caplog):
    for state in two.glob("*.safetensors"):
        state.write_bytes(b"")
    assert loaded(two) == 0
    assert "000000001-000000.safetensors is damaged; training starts from its beginning" in caplog.text


def test_a_state_whose_writer_was_killed_does_not_stay(two):
    (two / "000000002-000000.json").unlink()
    (two / ".000000003-000000.safetensors.abc.tmp").write_bytes(b"half")
    assert loaded(two) == 1
    save(two, 3)
    assert sorted(path.name[:9] for path in two.iterdir()) == ["000000001"] * 2 + ["000000003"] * 2


def test_the_newest_is_used_and_of_our_files_few_are_kept(tmp_path):
    save(tmp_path, 1)
    theirs = [tmp_path / name for name in ("best-so-far.safetensors", "000000001.safetensors", "1-1.safetensors")]
    for path in theirs:
        path.write_bytes(b"of the user's")
    for iteration in (2, 3, 10):
        save(tmp_path, iteration)
    assert loaded(tmp_path) == 10
    assert len(list(tmp_path.glob("*.safetensors"))) - len(theirs) == len(list(tmp_path.glob("*.json"))) == KEPT
    assert all(path.read_bytes() == b"of the user's" for path in theirs)


def test_another_network_is_an_error(tmp_path):
    save(tmp_path, 1)
    model = nn.Linear(2, 2)
    with pytest.raises(TrainingError, match="does not fit the model"):
        load_checkpoint(tmp_path, model, torch.optim.SGD(model.parameters(), lr=0.1))


def test_that_of_another_training_is_neither_used_nor_passed_over(tmp_path):
    for other in (OURS._replace(seed=1), OURS._replace(run="voc_r101"), OURS._replace(fingerprint="e" * 64)):
        folder = tmp_path / str(other)
        save(folder, 1)
        save(folder, 2, training=other)
        with pytest.raises(TrainingError) as caught:
            load_checkpoint(folder, *network(0))
        assert f"000000002-000000.json is of {other}, not of {OURS}; move it" in str(caught.value)
        with pytest.raises(TrainingError, match="is of"):
            last_iteration(folder)


def test_of_two_holders_the_later_one_counts(tmp_path):
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
