from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pointrend.datasets.registry import classes_of
from pointrend.datasets.store import Store, StoreWriter
from pointrend.errors import CheckFailed, DatasetError
from pointrend.evaluation import evaluate
from pointrend.evaluation.boundary import boundary_counts
from pointrend.evaluation.confusion import Confusion, Counts
from pointrend.evaluation.counts_file import read_counts
from pointrend.evaluation.evaluate import Scores, evaluate_split, write_evaluation
from pointrend.evaluation.inference import label_map
from pointrend.files import sha256_file
from pointrend.model.inputs import TestTransform
from pointrend.model.pointrend import Architecture, PointRend
from tests.evaluation.networks import ReadsBlue, picture_of, plain

VOC = classes_of("voc")
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
    """Counts of whole masks and of bands."""
    confusion, boundary = Confusion(21), Counts.zeros(21)
    for prediction, truth in pairs:
        confusion.add(prediction, truth)
        boundary += boundary_counts(prediction, truth, 21, RATIO)
    return confusion.counts(), boundary


def test_metrics_are_those_of_the_predictions(tmp_path: Path) -> None:
    pairs = random_maps(1, 5)
    metrics = scores_of(store_of(tmp_path, pairs)).metrics
    counts, boundary = expected_counts(pairs)
    assert metrics["miou"] == 100 * counts.miou()
    assert metrics["all_accuracy"] == 100 * counts.all_accuracy()
    assert metrics["boundary_iou"] == 100 * boundary.miou()
    assert metrics["boundary_dilation_ratio"] == RATIO
    assert metrics["n_images"] == 5
    assert list(metrics["iou"]) == list(VOC.names)
    assert metrics["iou"]["aeroplane"] == 100 * counts.iou()[1]
    assert metrics["iou"]["cat"] is None
    assert metrics["iou"]["bus"] is None
    assert metrics["iou"]["car"] == 0


def test_the_coarse_prediction_is_scored_too(tmp_path: Path) -> None:
    pairs = random_maps(1, 5)
    coarse_pairs = []
    for prediction, truth in pairs:
        logits = torch.from_numpy(np.eye(21, dtype=np.float32)[prediction[::4, ::4]]).permute(2, 0, 1)
        coarse_pairs.append((label_map(logits[None], *truth.shape), truth))
    counts, boundary = expected_counts(coarse_pairs)
    metrics = scores_of(store_of(tmp_path, pairs)).metrics
    assert metrics["coarse"] == {"miou": 100 * counts.miou(), "boundary_iou": 100 * boundary.miou()}
    assert metrics["coarse"]["miou"] != metrics["miou"]


def test_every_image_is_scored_once_and_alone(tmp_path: Path) -> None:
    """Those that are drawn are looked at a second time, when the best and the worst are known."""
    store, model = store_of(tmp_path, random_maps(2, 7)), ReadsBlue(21)
    model.train()
    scores = scores_of(store, model=model)
    assert model.seen == 7 + len(scores.pictures)
    assert list(scores.counts) == store.ids
    summed = sum(scores.counts.values(), Counts.zeros(21))
    assert 100 * summed.miou() == scores.metrics["miou"]


def test_an_id_that_comes_twice_is_refused(tmp_path: Path) -> None:
    store = store_of(tmp_path, random_maps(3, 3), ids=["a", "b", "a"])
    with pytest.raises(CheckFailed, match="3 images have only 2 ids"):
        scores_of(store)


def test_a_split_without_labels_is_refused(tmp_path: Path) -> None:
    pairs = [(np.zeros((8, 8), np.uint8), np.full((8, 8), 255, np.uint8))]
    with pytest.raises(DatasetError, match="no pixel of the 1 images is labelled"):
        scores_of(store_of(tmp_path, pairs))


def test_files_say_what_was_scored(tmp_path: Path) -> None:
    scores = scores_of(store_of(tmp_path / "data", random_maps(4, 4)))
    out = tmp_path / "run"
    write_evaluation(out, scores, SCORED)
    metrics = json.loads((out / "metrics.json").read_text())
    facts = {name: drawn.facts for name, drawn in scores.pictures.items()}
    assert metrics == {**scores.metrics, **SCORED, "sha256": sha256_file(out / "confusion.parquet"), "pictures": facts}
    assert {path.name: path.stat().st_size for path in (out / "pictures").iterdir()} == {
        name: picture["bytes"] for name, picture in metrics["pictures"].items()
    }
    assert 100 * read_counts(out / "confusion.parquet").total.miou() == metrics["miou"]
    assert read_counts(out / "confusion.parquet").images == 4


def test_the_best_the_median_the_worst_and_the_first_are_drawn(tmp_path: Path) -> None:
    """Each picture's share of wrong pixels grows in an order that is not that of the split."""
    truth = np.zeros((10, 10), np.uint8)
    pairs = []
    for wrong in (30, 0, 70, 50, 20):
        prediction = truth.copy()
        prediction.flat[:wrong] = 1
        pairs.append((prediction, truth))
    pairs.insert(2, (truth, np.full((10, 10), 255, np.uint8)))
    pictures = scores_of(store_of(tmp_path, pairs), pictures=1).pictures
    assert {drawn.facts["index"]: drawn.facts["shown_as"] for drawn in pictures.values()} == {
        1: ["best"],
        0: ["median", "first"],
        3: ["worst"],
    }
    facts = pictures["street_3.png"].facts
    assert facts == {
        "id": "street/3",
        "index": 3,
        "miou": pytest.approx(100 * 0.3 / 2),
        "shown_as": ["worst"],
        "bytes": len(pictures["street_3.png"].png),
        "sha256": hashlib.sha256(pictures["street_3.png"].png).hexdigest(),
    }


def test_a_picture_without_labels_has_no_score_of_its_own(tmp_path: Path) -> None:
    pairs = random_maps(1, 2)
    pairs[0][1][:] = 255
    pictures = scores_of(store_of(tmp_path, pairs), pictures=1).pictures
    assert pictures["street_0.png"].facts["miou"] is None
    assert pictures["street_1.png"].facts["shown_as"] == ["best", "median", "worst"]


def test_metrics_come_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever finds metrics.json finds the files that it names."""
    scores = scores_of(store_of(tmp_path / "data", random_maps(4, 2)))
    out = tmp_path / "run"

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        write_evaluation(out, scores, SCORED)
    assert sorted(path.name for path in out.iterdir()) == ["confusion.parquet", "pictures"]
    assert len(list((out / "pictures").iterdir())) == 2


def test_progress_is_a_few_lines_without_a_terminal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO):
        scores_of(store_of(tmp_path, random_maps(4, 25, (4, 4))), pictures=0)
    assert len(caplog.messages) == 10
    assert caplog.messages[-1] == "scored 25 of 25 images"
    assert capsys.readouterr().err == ""


def test_the_real_network_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    sizes = [(37, 50), (50, 37), (40, 40)]
    pairs = [random_maps(7, 1, (4 * 13, 4 * 13))[0] for _ in sizes]
    pairs = [
        (prediction[:height, :width], truth[:height, :width])
        for (prediction, truth), (height, width) in zip(pairs, sizes, strict=True)
    ]
    store = store_of(tmp_path, pairs)
    torch.manual_seed(0)
    small = {"width": 4, "fpn_channels": 8, "scale_channels": 8, "point_channels": 8, "subdivision_points": 64}
    model = PointRend(Architecture(21, 50, **small))
    for name in ("first", "second"):
        scores = evaluate_split(model, store, TestTransform((160, 40)), "cpu", VOC, 3, RATIO)
        write_evaluation(tmp_path / name, scores, SCORED)
    files = sorted(path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*.*"))
    assert len(files) == 5
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes(), file
