"""Looks at the mIoU on a part of val during a training: what they see, and that they change nothing."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from pointrend.datasets.store import Store
from pointrend.errors import MachineError, TrainingStopped
from pointrend.evaluation import validation
from pointrend.evaluation.confusion import Confusion
from pointrend.evaluation.segmenters import segmenter
from pointrend.evaluation.validation import Validation
from pointrend.model.inputs import TestTransform
from tests.tiny import ITERATIONS, tiny_setting, write_tiny_store
from tests.training.trainings import assert_equal, records, trainer, weights

LOOKS = ("validation_epochs=1", "validation_images=5")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_tiny_store(tmp_path_factory.mktemp("store"))


@pytest.mark.parametrize("inference", ["exact", "fast", "bf16"])
def test_looks_change_neither_weights_nor_losses_also_of_a_resumed_training(store, tmp_path, inference):
    plain, more = trainer(store, tmp_path / "plain"), (*LOOKS, f"inference={inference}")
    plain.run()
    looks = Validation(store, tiny_setting(*more))

    def stop() -> str | None:
        return "the test" if len(records(tmp_path / "seen")) == 5 else None

    with pytest.raises(TrainingStopped, match="iteration 4"):
        trainer(store, tmp_path / "seen", *more).run(stop=stop, validate=looks)
    resumed = trainer(store, tmp_path / "seen", *more)
    assert resumed.progress.iteration == 4
    shown: list[dict[str, float]] = []
    resumed.run(shown.append, validate=looks)
    assert_equal(weights(plain), weights(resumed))
    found = records(tmp_path / "seen")
    assert [one["loss"] for one in found if "loss" in one] == [one["loss"] for one in records(tmp_path / "plain")]
    seen = [one for one in found if "loss" not in one]
    assert [one.keys() for one in seen] == [{"iteration", "epoch", "validation_miou", "time"}] * 2
    assert [(one["iteration"], one["epoch"]) for one in seen] == [(3, 1), (ITERATIONS, 2)]
    assert [one["iteration"] for one in shown] == [5, 6]  # nothing but losses is compared with a published curve


def test_the_images_are_spaced_evenly_and_shared_by_the_processes(store, tmp_path):
    model, setting = trainer(store, tmp_path).model, tiny_setting("validation_images=5")
    looks, confusion, val = Validation(store, setting), Confusion(21), Store(store, "val")
    for index in (0, 2, 4, 7, 9):
        inputs = torch.from_numpy(TestTransform(setting.recipe.base_size)(val.picture(index)))[None]
        segmented = segmenter(model, setting.recipe.inference, "cpu")(inputs, val.label(index).shape, "")
        confusion.add(segmented.refined, val.label(index))
    assert looks(model, 0, 1, lambda counts: counts) == 100 * confusion.counts().miou()

    shares: list[torch.Tensor] = []
    for rank in range(3):
        looks(model, rank, 3, lambda counts: shares.append(counts) or counts)
    assert looks(model, 0, 3, lambda own: own + shares[1] + shares[2]) == 100 * confusion.counts().miou()
    assert Validation(store, tiny_setting("validation_images=99")).images == list(range(12))


@pytest.mark.parametrize("problem", [MachineError("no memory", "x"), RuntimeError("out of memory"), None])
def test_a_look_that_fails_is_a_warning_and_no_record(store, tmp_path, monkeypatch, caplog, problem):
    """Where another process has failed (None), this one has nothing to warn of."""
    if problem:
        monkeypatch.setattr(validation, "segmenter", lambda *_: (_ for _ in ()).throw(problem))
    looks = Validation(store, tiny_setting(*LOOKS))
    failed = torch.tensor([0] * 21 * 21 + [0 if problem else 1])
    training = trainer(store, tmp_path, *LOOKS)
    with caplog.at_level(logging.WARNING):
        training.run(validate=lambda model, rank, count, _: looks(model, rank, count, lambda own: own + failed))
    assert caplog.messages == [f"the mIoU on a part of val is not known: {problem}"] * (2 if problem else 0)
    assert [one["iteration"] for one in records(tmp_path)] == list(range(1, ITERATIONS + 1))


def test_a_part_without_labels_has_no_miou(store, tmp_path, monkeypatch):
    monkeypatch.setattr(Store, "label", lambda *_: np.full((40, 50), 255, np.uint8))
    looks = Validation(store, tiny_setting(*LOOKS))
    assert looks(trainer(store, tmp_path).model, 0, 1, lambda counts: counts) is None


def test_cudnn_times_no_kernels_during_a_look(store, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    seen: list[bool] = []
    trainer(store, tmp_path, *LOOKS).run(validate=lambda *_: seen.append(torch.backends.cudnn.benchmark))
    assert (seen, torch.backends.cudnn.benchmark) == ([False, False], True)
