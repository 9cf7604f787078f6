"""The demo's training learns what the labels say, and nothing where they say nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pointrend.archives.demo.build import SceneCounts, build_demo_archives
from pointrend.datasets.prepare.prepare import prepare_dataset
from pointrend.datasets.registry import classes_of
from pointrend.datasets.store import Store, StoreWriter
from pointrend.evaluation.evaluate import evaluate_split
from pointrend.model.inputs import TestTransform
from pointrend.settings.definition import load_original
from pointrend.settings.params import load_params
from pointrend.training.distributed import Processes
from pointrend.training.loop import Trainer

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def voc(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voc")
    records = build_demo_archives(folder / "archives", SceneCounts())["files"]
    # Otherwise no figure of the demo is comparable with the original's.
    for dataset in load_original(ROOT / "published").datasets.values():
        assert {name: {"sha256": records[name]["sha256"]} for name in dataset.archives} == dataset.archives
    archives = {name: folder / "archives" / name for name in records}
    prepare_dataset("voc", archives, records, folder / "data", {"train": 96, "val": 24}, True, limit=None, pins="demo")
    return folder / "data"


def score(data: Path, val: Path, checkpoints: Path) -> dict[str, Any]:
    """Train the demo's voc_r50 on ``data`` and score it on the val images of ``val``."""
    torch.set_num_threads(1)
    setting = load_params(ROOT / "params.yaml").at_scale("demo").setting("voc_r50")
    model = Trainer(setting, 0, data, checkpoints, None, Processes(0, 1, torch.device("cpu"))).run()
    transform, classes = TestTransform(setting.recipe.base_size), classes_of("voc")
    return evaluate_split(model, Store(val, "val"), transform, "cpu", classes, 0, 0.02).metrics


def test_true_labels_are_learnt_and_refinement_helps(voc, tmp_path):
    metrics = score(voc, voc, tmp_path)
    assert metrics["miou"] >= 50
    assert metrics["miou"] > metrics["coarse"]["miou"]
    assert metrics["boundary_iou"] > metrics["coarse"]["boundary_iou"]


def test_shuffled_labels_are_not(voc, tmp_path):
    """The same training, every image with another image's label: a score would not come from the labels' meaning."""
    store = Store(voc, "train")
    order = np.roll(np.random.default_rng(0).permutation(len(store)), 1)
    with StoreWriter(tmp_path / "data", "train") as writer:
        for index, other in enumerate(order.tolist()):
            writer.add(store.ids[index], store.picture(index), store.label(other))
    assert score(tmp_path / "data", voc, tmp_path / "checkpoints")["miou"] < 20
