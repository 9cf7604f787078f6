from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointrend.check.golden import golden_arrays, golden_facts
from pointrend.datasets.classes import IGNORE
from pointrend.evaluation.confusion import Confusion, Counts
from pointrend.evaluation.counts_file import counts_table, read_counts, write_counts

CASES, ARRAYS = golden_facts("metric"), golden_arrays("metric")


def count(pairs: list[tuple[np.ndarray, np.ndarray]], num_classes: int) -> Counts:
    confusion = Confusion(num_classes)
    for prediction, truth in pairs:
        confusion.add(prediction, truth)
    return confusion.counts()


@pytest.mark.parametrize("case", CASES)
def test_golden_metric_of_all_images_and_recounted(case: str, tmp_path: Path) -> None:
    expected, confusion, images = CASES[case], Confusion(CASES[case]["num_classes"]), {}
    for i in range(expected["n_images"]):
        truth = ARRAYS[f"{case}_gt{i}"]
        truth = np.where(truth < 0, IGNORE, truth).astype(np.uint8)
        images[str(i)] = confusion.add(ARRAYS[f"{case}_pred{i}"], truth)
        assert images[str(i)].ground_truth.sum() == (truth != IGNORE).sum()
    write_counts(tmp_path / "confusion.parquet", counts_table(images, confusion.num_classes))
    stored = read_counts(tmp_path / "confusion.parquet")
    assert stored.images == expected["n_images"]
    for counts in (confusion.counts(), stored.total):
        np.testing.assert_allclose(counts.iou(), ARRAYS[f"{case}_iou"], rtol=0, atol=1e-12, equal_nan=True)
        assert np.flatnonzero(np.isnan(counts.iou())).tolist() == expected["iou_nan_classes"]
        assert counts.miou() == pytest.approx(expected["miou"], rel=0, abs=1e-12)
        assert counts.all_accuracy() == pytest.approx(expected["all_accuracy"], rel=0, abs=1e-12)
    for name in ("true_positive", "ground_truth", "predicted"):
        np.testing.assert_array_equal(getattr(stored.total, name), getattr(confusion.counts(), name))


@st.composite
def image_pairs(draw: st.DrawFn) -> tuple[int, list[tuple[np.ndarray, np.ndarray]]]:
    """Number of classes, and up to five small pairs of label maps, 255 in some ground truths."""
    num_classes = draw(st.integers(2, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pairs = []
    for _ in range(draw(st.integers(1, 5))):
        size = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
        present = rng.choice([*range(num_classes), IGNORE], draw(st.integers(1, num_classes)))
        guessed = rng.choice(num_classes, draw(st.integers(1, num_classes)))
        pairs.append((rng.choice(guessed, size).astype(np.uint8), rng.choice(present, size).astype(np.uint8)))
    return num_classes, pairs


def naive_iou(pairs: list[tuple[np.ndarray, np.ndarray]], class_id: int) -> float | None:
    """IoU from two sets of pixels, None where both are empty."""
    pixels: tuple[set, set] = (set(), set())
    for image, maps in enumerate(pairs):
        for place in np.ndindex(maps[1].shape):
            for found, labels in zip(pixels, maps, strict=True):
                if maps[1][place] != IGNORE and labels[place] == class_id:
                    found.add((image, place))
    return len(pixels[0] & pixels[1]) / len(pixels[0] | pixels[1]) if any(pixels) else None


@given(image_pairs())
@settings(deadline=None, max_examples=60)
def test_streaming_equals_sets_of_pixels(drawn: tuple[int, list[tuple[np.ndarray, np.ndarray]]]) -> None:
    num_classes, pairs = drawn
    counts = count(pairs, num_classes)
    expected = [naive_iou(pairs, class_id) for class_id in range(num_classes)]
    assert [None if np.isnan(value) else float(value) for value in counts.iou()] == expected
    present = [value for value in expected if value is not None]
    miou = sum(present) / len(present) if present else np.nan
    assert counts.miou() == pytest.approx(miou, abs=1e-12, nan_ok=True)
    right = np.concatenate([(prediction == truth)[truth != IGNORE] for prediction, truth in pairs])
    accuracy = right.mean() if len(right) else np.nan
    assert counts.all_accuracy() == pytest.approx(accuracy, abs=1e-12, nan_ok=True)


def test_ground_truth_and_prediction_are_told_apart() -> None:
    confusion = Confusion(3)
    confusion.add(np.array([[0, 1, 1, 2]], np.uint8), np.array([[0, 0, IGNORE, 1]], np.uint8))
    assert confusion.matrix.tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 0]]
    assert confusion.counts().true_positive.tolist() == [1, 0, 0]
    assert confusion.counts().ground_truth.tolist() == [2, 1, 0]
    assert confusion.counts().predicted.tolist() == [1, 1, 1]


def test_whatever_a_ground_truth_holds_beyond_the_classes_is_not_labelled() -> None:
    counts = count([(np.zeros((1, 3), np.uint8), np.array([[0, 3, 254]], np.uint8))], 3)
    assert counts.ground_truth.tolist() == counts.predicted.tolist() == [1, 0, 0]
    nothing = count([(np.zeros((2, 2), np.uint8), np.full((2, 2), IGNORE, np.uint8))], 3)
    assert np.isnan([nothing.miou(), nothing.all_accuracy()]).all()


@pytest.mark.parametrize(
    ("prediction", "truth", "words"),
    [
        (np.zeros((2, 2)), np.zeros((2, 3)), r"\(2, 2\) and ground truth \(2, 3\)"),
        (np.full((2, 2), 3), np.zeros((2, 2)), "holds 3, not one of 3 classes"),
    ],
)
def test_other_sizes_and_classes_are_refused(prediction: np.ndarray, truth: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Confusion(3).add(prediction.astype(np.uint8), truth.astype(np.uint8))


def test_a_class_with_more_pixels_than_float32_counts_is_counted_exactly() -> None:
    pixels = np.ones((4097, 4097), np.uint8)  # 2**24 + 8193
    counts = count([(pixels, pixels)], 3)
    assert counts.true_positive.tolist() == [0, 4097**2, 0]
