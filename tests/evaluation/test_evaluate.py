import hashlib
import json
import logging
import math
from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from pointrend.datasets.classes import IGNORE
from pointrend.datasets.registry import classes_of
from pointrend.datasets.store import Store, StoreWriter
from pointrend.errors import CheckFailed, DatasetError
from pointrend.evaluation import evaluate
from pointrend.evaluation.boundary import boundary_counts
from pointrend.evaluation.confusion import Confusion, Counts
from pointrend.evaluation.counts_file import read_counts, read_matrix
from pointrend.evaluation.evaluate import Scores, chosen_images, evaluate_split, write_evaluation
from pointrend.evaluation.segmenters import label_map
from pointrend.files import sha256_file
from tests.evaluation.networks import ReadsBlue, picture_of, plain

VOC = classes_of("voc")
KEYS_OF_HASHES = {"sha256": "confusion", "matrix_sha256": "matrix"}
SCORED = {"model_sha256": "5" * 64}
RATIO = 0.02


def random_maps(seed: int, count: int, size: tuple[int, int] = (24, 32)) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of what :class:`ReadsBlue` will predict and the label, in blocks, both of some of VOC's classes."""
    rng = np.random.default_rng(seed)
    grid = (size[0] // 4, size[1] // 4)
    pairs = []
    for _ in range(count):
        truth = np.kron(rng.choice([0, 1, 2, 5, 255], grid), np.ones((4, 4)))[: size[0], : size[1]].astype(np.uint8)
        wrong = rng.random(truth.shape) < 0.2
        prediction = np.where(wrong | (truth == 255), rng.choice([0, 1, 7], truth.shape), truth).astype(np.uint8)
        pairs.append((prediction, truth))
    return pairs


def store_of(folder: Path, pairs: list[tuple[np.ndarray, np.ndarray]], ids: list[str] | None = None) -> Store:
    with StoreWriter(folder, "val") as writer:
        for index, (prediction, truth) in enumerate(pairs):
            writer.add(ids[index] if ids else f"street/{index}", picture_of(prediction), truth)
    return Store(folder, "val")


def scores_of(store: Store, pictures: int = 2, model: Any = None) -> Scores:
    return evaluate_split(model or ReadsBlue(21), store, plain, "cpu", VOC, pictures, RATIO)


def expected_counts(pairs: list[tuple[np.ndarray, np.ndarray]]) -> tuple[Counts, Counts]:
    confusion, boundary = Confusion(21), Counts.zeros(21)
    for prediction, truth in pairs:
        confusion.add(prediction, truth)
        boundary += boundary_counts(prediction, truth, 21, RATIO)
    return confusion.counts(), boundary


def test_metrics_are_those_of_the_refined_and_of_the_coarse_predictions(tmp_path):
    pairs = random_maps(1, 5)
    scores = scores_of(store_of(tmp_path, pairs))
    metrics = scores.metrics
    counts, boundary = expected_counts(pairs)
    assert metrics["miou"] == 100 * counts.miou()
    naive = Counter(pair for maps in pairs for pair in zip(*(labels.ravel().tolist() for labels in maps), strict=True))
    assert {(j, i): scores.matrix[i, j] for i, j in np.argwhere(scores.matrix).tolist()} == {
        pair: pixels for pair, pixels in naive.items() if pair[1] != IGNORE
    }
    assert metrics["all_accuracy"] == 100 * counts.all_accuracy()
    assert metrics["boundary_iou"] == 100 * boundary.miou()
    assert metrics["boundary_dilation_ratio"] == RATIO
    assert metrics["n_images"] == 5
    assert list(metrics["iou"]) == list(VOC.names)
    expected = {"aeroplane": 100 * counts.iou()[1], "cat": None, "bus": None, "car": 0}
    assert {name: metrics["iou"][name] for name in expected} == expected

    coarse_pairs = []
    for prediction, truth in pairs:
        logits = torch.from_numpy(np.eye(21, dtype=np.float32)[prediction[::4, ::4]]).permute(2, 0, 1)
        coarse_pairs.append((label_map(logits[None], *truth.shape), truth))
    counts, boundary = expected_counts(coarse_pairs)
    assert metrics["coarse"] == {"miou": 100 * counts.miou(), "boundary_iou": 100 * boundary.miou()}
    assert metrics["coarse"]["miou"] != metrics["miou"]


def test_every_image_is_scored_once_and_alone(tmp_path):
    """Those that are drawn are looked at a second time, when the best and the worst are known."""
    store, model = store_of(tmp_path, random_maps(2, 7)), ReadsBlue(21)
    model.train()
    scores = scores_of(store, model=model)
    assert model.seen == 7 + len(scores.pictures)
    assert list(scores.counts) == store.ids
    summed = sum(scores.counts.values(), Counts.zeros(21))
    assert 100 * summed.miou() == scores.metrics["miou"]


def test_ids_that_come_twice_and_splits_without_labels_are_refused(tmp_path):
    with pytest.raises(CheckFailed, match="3 images have only 2 ids"):
        scores_of(store_of(tmp_path, random_maps(3, 3), ids=["a", "b", "a"]))
    pairs = [(np.zeros((8, 8), np.uint8), np.full((8, 8), 255, np.uint8))]
    with pytest.raises(DatasetError, match="no pixel of the 1 images is labelled"):
        scores_of(store_of(tmp_path, pairs))


def test_files_say_what_was_scored_and_metrics_come_last(tmp_path, monkeypatch):
    """Whoever finds metrics.json finds the files that it names."""
    scores = scores_of(store_of(tmp_path / "data", random_maps(4, 4)))
    out = tmp_path / "run"
    monkeypatch.setattr(evaluate, "write_json", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_evaluation(out, scores, SCORED)
    assert sorted(path.name for path in out.iterdir()) == ["confusion.parquet", "matrix.parquet", "pictures"]
    assert sorted(path.name for path in (out / "pictures").iterdir()) == sorted(scores.pictures)
    monkeypatch.undo()
    write_evaluation(out, scores, SCORED)
    metrics = json.loads((out / "metrics.json").read_text())
    facts = {name: drawn.facts for name, drawn in scores.pictures.items()}
    hashes = {key: sha256_file(out / f"{name}.parquet") for key, name in KEYS_OF_HASHES.items()}
    assert metrics == {**scores.metrics, **SCORED, **hashes, "pictures": facts}
    assert {path.name: path.stat().st_size for path in (out / "pictures").iterdir()} == {
        name: picture["bytes"] for name, picture in metrics["pictures"].items()
    }
    assert 100 * read_counts(out / "confusion.parquet").total.miou() == metrics["miou"]
    assert read_counts(out / "confusion.parquet").images == 4
    assert (read_matrix(out / "matrix.parquet", read_counts(out / "confusion.parquet").total) == scores.matrix).all()


def test_the_best_the_median_the_worst_and_the_first_are_drawn(tmp_path):
    """The share of wrong pixels grows in an order that is not that of the split; one image has no labels."""
    truth = np.zeros((10, 10), np.uint8)
    wrong = np.arange(100).reshape(10, 10)
    pairs = [((wrong < share).astype(np.uint8), truth) for share in (30, 0, 70, 50, 20)]
    pairs.insert(2, (truth, np.full((10, 10), 255, np.uint8)))
    pictures = scores_of(store_of(tmp_path, pairs), pictures=3).pictures
    shown = {drawn.facts["index"]: drawn.facts["shown_as"] for drawn in pictures.values()}
    assert shown == {1: ["best", "first"], 0: ["median", "first"], 3: ["worst"], 2: ["first"]}
    assert pictures["street_2.png"].facts["miou"] is None
    png = pictures["street_3.png"].png
    facts = {"id": "street/3", "index": 3, "miou": pytest.approx(100 * 0.3 / 2), "shown_as": ["worst"]}
    assert pictures["street_3.png"].facts == {**facts, "bytes": len(png), "sha256": hashlib.sha256(png).hexdigest()}


@pytest.mark.parametrize(
    ("mious", "first", "expected"),
    [
        ([50.0, 90.0, 10.0], 0, {1: ("best",), 0: ("median",), 2: ("worst",)}),
        ([50.0, 90.0, 10.0, 60.0], 0, {1: ("best",), 0: ("median",), 2: ("worst",)}),
        ([60.0, 50.0, 90.0, 10.0], 1, {2: ("best",), 1: ("median",), 3: ("worst",), 0: ("first",)}),
        ([7.0], 3, {0: ("best", "median", "worst", "first")}),
        ([7.0, 7.0, 7.0], 0, {0: ("best", "worst"), 1: ("median",)}),
        ([7.0, 9.0, 9.0, 7.0], 0, {1: ("best",), 3: ("median",), 0: ("worst",)}),
        ([math.nan, 8.0, 4.0, math.nan], 1, {1: ("best",), 2: ("median", "worst"), 0: ("first",)}),
        ([math.nan], 0, {}),
    ],
)
def test_images_drawn(mious, first, expected):
    """Which they are, and in which order they are shown."""
    assert list(chosen_images(mious, first).items()) == list(expected.items())


def test_progress_is_a_few_lines_without_a_terminal(tmp_path, caplog, capsys):
    with caplog.at_level(logging.INFO):
        scores_of(store_of(tmp_path, random_maps(4, 25, (4, 4))), pictures=0)
    assert len(caplog.messages) == 10
    assert caplog.messages[-1] == "scored 25 of 25 images"
    assert capsys.readouterr().err == ""
