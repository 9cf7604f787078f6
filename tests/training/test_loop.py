"""The training loop: resumed runs and bad losses."""

import time
from typing import Any

import numpy as np
import pytest
import torch

from pointrend.datasets.store import Store, StoreWriter
from pointrend.errors import ParamsError, TrainingError
from pointrend.training import loop
from tests.tiny import ITERATIONS, write_tiny_store
from tests.training.trainings import assert_equal, losses, records, trainer, weights


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_tiny_store(tmp_path_factory.mktemp("store"))


def test_a_run_of_the_whole_schedule(store, tmp_path):
    done, rates, shown = trainer(store, tmp_path), [], []
    done.optimizer.register_step_pre_hook(lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"]))
    before = time.time()
    done.run(shown.append)
    assert rates == [done.step.learning_rate(t) for t in range(ITERATIONS)]
    assert len(set(rates)) == ITERATIONS
    found = records(tmp_path)
    assert found == shown
    assert [record["iteration"] for record in found] == [1, 2, 3, 4, 5, 6]
    assert [record["epoch"] for record in found] == [1, 1, 1, 2, 2, 2]
    assert [record["lr"] for record in found] == rates
    for record in found:
        assert record["loss"] == pytest.approx(record["loss_point"] + record["loss_coarse"], abs=2e-6)
        assert 0 <= record["data_wait_share"] <= 1
        assert record["images_per_second"] > 0
        assert record["memory_mb"] > 0
        assert record["empty_batches"] == 0
    times = [record["time"] for record in found]
    assert before - 0.001 <= times[0]
    assert times == sorted(times)
    assert times[-1] <= time.time() + 0.001


def test_neither_workers_nor_checkpoints_nor_the_stores_form_change_the_result(store, tmp_path):
    plain = trainer(store, tmp_path / "plain")
    plain.run()
    compact = write_tiny_store(tmp_path / "compact", form="compact")
    for data, more in ((compact, ()), (store, ("workers=2", "checkpoint_minutes=10", "log_every=4"))):
        other = trainer(data, tmp_path / f"other{len(more)}", *more)
        other.run()
        assert_equal(weights(plain), weights(other))


def test_records_after_the_last_checkpoint_are_cut_off(store, tmp_path):
    trainer(store, tmp_path, "checkpoint_minutes=10").run()
    with open(tmp_path / "metrics.jsonl", "a") as stream:
        stream.write('{"iteration": 99}\n{"itera')
    trainer(store, tmp_path).run()
    assert len(losses(tmp_path)) == ITERATIONS


def test_a_loss_that_is_not_finite_names_the_images(store, tmp_path, monkeypatch):
    broken = trainer(store, tmp_path, "log_every=3")
    step, seen = broken.step, {}

    def poisoned(iteration: int, batch: loop.TrainBatch) -> tuple[torch.Tensor, torch.Tensor]:
        values, empty = step(iteration, batch)
        seen[iteration] = batch.indices.tolist()
        return (values * float("nan") if iteration == 4 else values), empty

    monkeypatch.setattr(broken, "step", poisoned)
    with pytest.raises(TrainingError, match="not finite at iteration 5") as caught:
        broken.run()
    for index in seen[4]:
        assert Store(store, "train").ids[index] in str(caught.value)
    assert trainer(store, tmp_path).progress.iteration == 3


def test_too_few_images_for_a_batch(tmp_path):
    with pytest.raises(ParamsError, match="3 images are too few for one batch of 4"):
        trainer(write_tiny_store(tmp_path / "store", pictures=3), tmp_path)


def test_batches_without_a_label_are_counted_and_change_no_weight_by_nan(store, tmp_path):
    with StoreWriter(tmp_path / "store", "train") as writer:
        whole = Store(store, "train")
        for index, name in enumerate(whole.ids):
            writer.add(name, whole.picture(index), np.full_like(whole.label(index), 255))
    trainer(tmp_path / "store", tmp_path / "c").run()
    found: list[dict[str, Any]] = records(tmp_path / "c")
    assert [record["loss"] for record in found] == [0.0] * ITERATIONS
    assert [record["empty_batches"] for record in found] == [1, 2, 3, 4, 5, 6]
