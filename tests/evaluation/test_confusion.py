import numpy as np
import pytest

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
def test_golden_metric_of_all_images_and_recounted(case, tmp_path):
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


def test_ground_truth_and_prediction_are_told_apart():
    confusion = Confusion(3)
    confusion.add(np.array([[0, 1, 1, 2]], np.uint8), np.array([[0, 0, IGNORE, 1]], np.uint8))
    assert confusion.matrix.tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 0]]
    assert confusion.counts().true_positive.tolist() == [1, 0, 0]
    assert confusion.counts().ground_truth.tolist() == [2, 1, 0]
    assert confusion.counts().predicted.tolist() == [1, 1, 1]


def test_whatever_a_ground_truth_holds_beyond_the_classes_is_not_labelled():
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
def test_other_sizes_and_classes_are_refused(prediction, truth, words):
    with pytest.raises(ValueError, match=words):
        Confusion(3).add(prediction.astype(np.uint8), truth.astype(np.uint8))


def test_a_class_with_more_pixels_than_float32_counts_is_counted_exactly():
    pixels = np.ones((4097, 4097), np.uint8)  # 2**24 + 8193
    counts = count([(pixels, pixels)], 3)
    assert counts.true_positive.tolist() == [0, 4097**2, 0]
