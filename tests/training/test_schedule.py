"""Iterations and learning rates, against golden numbers; tests/training/test_loader.py has torch's own sampler."""

import json
from typing import Any

import pytest

from pointrend.check.families import PUBLISHED
from pointrend.errors import ParamsError
from pointrend.training.schedule import RECENT, iterations_per_epoch, learning_rate, seconds_left
from tests.golden_files import FOLDER

RUNS: dict[str, dict[str, Any]] = json.loads((FOLDER / "lr_schedule.json").read_text())
IMAGES_AND_BATCH = {"voc": (10582, 16), "ade20k": (20210, 16), "cityscapes": (2975, 8)}


@pytest.mark.parametrize("run", RUNS)
def test_published_iterations(run):
    images, batch_size = IMAGES_AND_BATCH[run.rpartition("_")[2]]
    for processes in (1, 2, 4, 8):
        expected = RUNS[run][f"iters_per_epoch_{processes}gpu"]
        assert iterations_per_epoch(images, processes, batch_size) == expected, processes
    assert RUNS[run]["max_epochs"] * iterations_per_epoch(images, 4, batch_size) == RUNS[run]["max_iters"]


def test_a_batch_must_be_shared_evenly():
    with pytest.raises(ParamsError, match="batch of 16 cannot be shared evenly by 3"):
        iterations_per_epoch(10582, 3, 16)


@pytest.mark.parametrize("run", RUNS)
def test_published_learning_rates(run):
    facts = RUNS[run]
    assert PUBLISHED.lr == facts["base_lr"]
    for iteration, expected in zip(facts["iters"], facts["lr"], strict=True):
        ours = learning_rate(PUBLISHED, iteration, facts["max_iters"])
        assert ours == pytest.approx(expected, rel=1e-12), iteration


def test_warm_up_starts_at_its_ratio_and_ends_in_the_decay():
    without, warm = (PUBLISHED.model_copy(update={"warmup_iterations": count}) for count in (0, 100))
    assert learning_rate(without, 0, 1000) == 0.01
    for iteration, share in ((0, 0.1), (50, 0.55), (99, 0.991), (100, 1), (101, 1)):
        expected = share * learning_rate(without, iteration, 1000)
        assert learning_rate(warm, iteration, 1000) == pytest.approx(expected, rel=1e-12)


def test_the_time_left_follows_from_the_latest_records():
    records = [{"iteration": 10, "time": 500.0}, {"iteration": 20, "time": 510.0}]
    assert seconds_left(records[:1], 100) is None
    assert seconds_left(records, 100) == 80
    slower = [{"iteration": 20 + 10 * i, "time": 510.0 + 20 * i} for i in range(1, RECENT + 1)]
    assert seconds_left([*records, *slower], 1000) == 2 * (1000 - slower[-1]["iteration"])
    assert seconds_left([*records, *slower], slower[-1]["iteration"]) == 0
