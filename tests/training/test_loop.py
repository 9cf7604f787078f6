"""The training loop: resumed runs, several processes, bad losses."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from pointrend.datasets.store import Store, StoreWriter
from pointrend.errors import ParamsError, TrainingError
from pointrend.model.weights import load_weights
from pointrend.training import loop
from pointrend.training.distributed import Processes
from pointrend.training.loop import Trainer, step_seed
from tests.ranks import run_two
from tests.tiny import ITERATIONS, tiny_setting, write_tiny_store

ALONE = Processes(0, 1, torch.device("cpu"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_store(tmp_path_factory.mktemp("store"))


def trainer(store: Path, checkpoints: Path, *more: str) -> Trainer:
    return Trainer(tiny_setting(*more), 0, store, checkpoints, None, ALONE)


def weights(trained: Trainer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in trained.model.state_dict().items()}


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


def test_a_watch_is_shown_every_record(store: Path, tmp_path: Path) -> None:
    shown: list[dict[str, object]] = []
    trainer(store, tmp_path).run(shown.append)
    assert shown == [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]


def test_a_run_of_the_whole_schedule(store: Path, tmp_path: Path) -> None:
    done = trainer(store, tmp_path)
    before = time.time()
    done.run()
    records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [record["iteration"] for record in records] == [1, 2, 3, 4, 5, 6]
    assert [record["epoch"] for record in records] == [1, 1, 1, 2, 2, 2]
    assert [record["lr"] for record in records] == [done.learning_rate(t) for t in range(ITERATIONS)]
    for record in records:
        assert record["loss"] == pytest.approx(record["loss_point"] + record["loss_coarse"], abs=2e-6)
        assert 0 <= record["data_wait_share"] <= 1
        assert record["images_per_second"] > 0
        assert record["memory_mb"] > 0
        assert record["empty_batches"] == 0
    times = [record["time"] for record in records]
    assert before - 0.001 <= times[0]
    assert times == sorted(times)
    assert times[-1] <= time.time() + 0.001


def test_every_step_is_taken_with_the_scheduled_rate(store: Path, tmp_path: Path) -> None:
    watched, rates = trainer(store, tmp_path), []
    watched.optimizer.register_step_pre_hook(lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"]))
    watched.run()
    assert rates == [watched.learning_rate(t) for t in range(ITERATIONS)]
    assert len(set(rates)) == ITERATIONS


def test_either_form_of_the_store_trains_the_same_weights(store: Path, tmp_path: Path) -> None:
    compact = write_tiny_store(tmp_path / "compact", form="compact")
    one, other = trainer(store, tmp_path / "one"), trainer(compact, tmp_path / "other")
    one.run()
    other.run()
    assert_equal(weights(one), weights(other))


@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    whole = trainer(store, tmp_path / "whole")
    whole.run()

    stopped = trainer(store, tmp_path / "parts")
    step = stopped._step

    def killed(iteration: int, batch: loop.TrainBatch) -> tuple[torch.Tensor, torch.Tensor]:
        if iteration == stop:
            raise KeyboardInterrupt
        return step(iteration, batch)

    monkeypatch.setattr(stopped, "_step", killed)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()

    resumed = trainer(store, tmp_path / "parts")
    assert resumed.progress.iteration == stop
    resumed.run()
    assert_equal(weights(whole), weights(resumed))
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_records_after_the_last_checkpoint_are_cut_off(store: Path, tmp_path: Path) -> None:
    trainer(store, tmp_path, "checkpoint_minutes=10").run()
    with open(tmp_path / "metrics.jsonl", "a") as stream:
        stream.write('{"iteration": 99}\n{"itera')
    trainer(store, tmp_path).run()
    assert len(losses(tmp_path)) == ITERATIONS


def test_neither_workers_nor_checkpoints_change_the_result(store: Path, tmp_path: Path) -> None:
    plain, other = (
        trainer(store, tmp_path / "plain"),
        trainer(store, tmp_path / "other", "workers=2", "checkpoint_minutes=10", "log_every=4"),
    )
    plain.run()
    other.run()
    assert_equal(weights(plain), weights(other))


def test_another_seed_gives_another_network(store: Path, tmp_path: Path) -> None:
    zero = trainer(store, tmp_path / "0")
    one = Trainer(tiny_setting(), 1, store, tmp_path / "1", None, ALONE)
    name = "backbone.stem.0.weight"
    assert not torch.equal(weights(zero)[name], weights(one)[name])


def test_step_seeds_differ_by_seed_iteration_and_rank() -> None:
    seeds = {step_seed(seed, iteration, rank) for seed in range(3) for iteration in range(50) for rank in range(4)}
    assert len(seeds) == 600


def test_a_loss_that_is_not_finite_names_the_pictures(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = trainer(store, tmp_path, "log_every=3")
    step, seen = broken._step, {}

    def poisoned(iteration: int, batch: loop.TrainBatch) -> tuple[torch.Tensor, torch.Tensor]:
        values, empty = step(iteration, batch)
        seen[iteration] = batch.indices.tolist()
        return (values * float("nan") if iteration == 4 else values), empty

    monkeypatch.setattr(broken, "_step", poisoned)
    with pytest.raises(TrainingError, match="not finite at iteration 5") as caught:
        broken.run()
    for index in seen[4]:
        assert Store(store, "train").ids[index] in str(caught.value)
    resumed = trainer(store, tmp_path)
    assert resumed.progress.iteration == 3


def test_too_few_pictures_for_a_batch(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="3 images are too few for one batch of 4"):
        trainer(write_tiny_store(tmp_path / "store", pictures=3), tmp_path)


def test_batches_without_a_label_are_counted_and_change_no_weight_by_nan(store: Path, tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", "train") as writer:
        whole = Store(store, "train")
        for index, name in enumerate(whole.ids):
            writer.add(name, whole.picture(index), np.full_like(whole.label(index), 255))
    trainer(tmp_path / "store", tmp_path / "c").run()
    records = [json.loads(line) for line in (tmp_path / "c/metrics.jsonl").read_text().splitlines()]
    assert [record["loss"] for record in records] == [0.0] * ITERATIONS
    assert [record["empty_batches"] for record in records] == [1, 2, 3, 4, 5, 6]


WORKER = """
import sys
from pathlib import Path
from pointrend.training.distributed import join_processes
from pointrend.training.loop import Trainer
from pointrend.model.weights import save_weights
from tests.tiny import tiny_setting

store, out = Path(sys.argv[1]), Path(sys.argv[2])
setting = tiny_setting("gpus=2")
with join_processes(2, "cpu", 1) as processes:
    trainer = Trainer(setting, 0, store, out, None, processes)
    trainer.run()
    if processes.first:
        save_weights(trainer.model, out / "model.safetensors")
"""


def test_two_processes_under_torchrun_train_one_network(store: Path, tmp_path: Path) -> None:
    """Gloo, two processes of two pictures; in float32 their sums differ from one process's only by rounding."""
    (tmp_path / "worker.py").write_text(WORKER)
    out = tmp_path / "two"
    run_two(tmp_path / "worker.py", store, out)
    assert len(losses(out)) == ITERATIONS
    model = trainer(store, tmp_path / "shape").model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    load_weights(out / "model.safetensors", model)
    assert not torch.equal(before["backbone.stem.0.weight"], model.state_dict()["backbone.stem.0.weight"])
