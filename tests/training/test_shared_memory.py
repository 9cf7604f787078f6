"""Room for batches on their way from loader processes."""

import pytest

from pointrend.errors import MachineError
from pointrend.training import shared_memory
from pointrend.training.shared_memory import check_shared_memory, needed_bytes, whole_bytes
from tests.tiny import tiny_setting


def test_what_is_needed_follows_from_the_batches_of_one_machine():
    sizes = ("crop_size=[100, 50]", "batch_size=24")
    for more, batches in (
        (("workers=0",), 0),
        (("workers=1",), 4),
        (("workers=3",), 8),
        (("workers=3", "gpus=4"), 8),
        (("workers=3", "gpus=4", "nodes=2"), 4),
    ):
        assert needed_bytes(tiny_setting(*sizes, *more).recipe) == batches * 24 * 100 * 50 * 4, more


def test_too_little_is_refused_before_a_training(monkeypatch):
    recipe = tiny_setting("crop_size=[500, 500]", "batch_size=4", "workers=4").recipe
    for size, refused in ((40_000_000 - 1, True), (40_000_000, False), (None, False)):
        monkeypatch.setattr(shared_memory, "whole_bytes", lambda size=size: size)
        if refused:
            with pytest.raises(MachineError, match=r"^/dev/shm has 40 MB, .* need about 40 MB; give it more"):
                check_shared_memory(recipe)
        else:
            check_shared_memory(recipe)


def test_a_system_without_it(tmp_path):
    assert whole_bytes(tmp_path / "none") is None
    assert whole_bytes(tmp_path)
