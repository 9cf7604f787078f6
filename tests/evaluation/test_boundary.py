import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pointrend.evaluation.boundary import boundary_counts, dilation_ratio
from pointrend.evaluation.confusion import Counts

IGNORE = 255


def eroded_bands(mask: np.ndarray, width: int) -> np.ndarray:
    """A mask without what is left of it after ``width`` erosions, the outside of the image being no mask."""
    return mask & ~ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=width, border_value=0)


def counts_class_by_class(prediction: np.ndarray, truth: np.ndarray, num_classes: int, width: int) -> list[list[int]]:
    columns = []
    for class_id in range(num_classes):
        bands = [eroded_bands((labels == class_id) & (truth != IGNORE), width) for labels in (truth, prediction)]
        columns.append([int(pixels.sum()) for pixels in (bands[0] & bands[1], *bands)])
    return np.array(columns).T.tolist()


def as_lists(counts: Counts) -> list[list[int]]:
    return [counts.true_positive.tolist(), counts.ground_truth.tolist(), counts.predicted.tolist()]


@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 5))
@settings(deadline=None, max_examples=80)
def test_all_bands_at_once_are_those_of_each_class(rows, columns, seed, width, block):
    rng, size = np.random.default_rng(seed), (rows, columns)
    grid = (-(-size[0] // block), -(-size[1] // block))
    blocks = np.ones((block, block), np.uint8)
    truth = np.kron(rng.choice([0, 1, 2, IGNORE], grid).astype(np.uint8), blocks)[: size[0], : size[1]]
    prediction = np.kron(rng.integers(0, 4, grid, np.uint8), blocks)[: size[0], : size[1]]
    found = boundary_counts(prediction, truth, 4, width / np.hypot(*size))
    assert as_lists(found) == counts_class_by_class(prediction, truth, 4, width)


def test_a_shifted_square_by_hand():
    """A square of 10 rows, predicted one row too low, with bands of one pixel.

    The square's bands have 36 pixels and share their sides, 9 rows of 2. The background's have 44 around the square,
    of which they share 11 rows of 2, and 196 along the edge of the image.
    """
    truth, prediction = np.zeros((2, 50, 50), np.uint8)
    truth[10:20, 10:20] = 1
    prediction[11:21, 10:20] = 1
    found = boundary_counts(prediction, truth, 2, 0.001)
    assert as_lists(found) == [[196 + 22, 18], [196 + 44, 36], [196 + 44, 36]]


@pytest.mark.parametrize(("dataset", "size", "pixels"), [("voc", (375, 500), 12), ("cityscapes", (1024, 2048), 11)])
def test_band_width_of_a_dataset(dataset, size, pixels):
    truth = np.zeros(size, np.uint8)
    counts = boundary_counts(truth, truth, 1, dilation_ratio(dataset))
    assert counts.ground_truth.tolist() == [truth.size - (size[0] - 2 * pixels) * (size[1] - 2 * pixels)]
