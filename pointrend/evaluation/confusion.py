"""The metric: one confusion matrix over a whole set, in memory that does not grow with it (RECIPE section 5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# float32 holds every whole number up to this one.
LARGEST_COUNT = 2**24

# Train ids (H, W); in a ground truth, every value that is not a class (255) means not labelled.
LabelMap = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Counts:
    """Labelled pixels per class of an image or a set, three int64 arrays (K,): all that IoU needs.

    Scores made from them are fractions in [0, 1]; a class that occurs neither in the ground truth nor in the
    prediction has no IoU (NaN) and is left out of the mean.
    """

    true_positive: NDArray[np.int64]
    ground_truth: NDArray[np.int64]
    predicted: NDArray[np.int64]

    @classmethod
    def of(cls, matrix: NDArray[np.int64]) -> Counts:
        """The counts of a confusion matrix (K, K), ``matrix[i, j]``: pixels of class i that were taken for j."""
        return cls(matrix.diagonal().copy(), matrix.sum(axis=1), matrix.sum(axis=0))

    @classmethod
    def zeros(cls, num_classes: int) -> Counts:
        """The counts of nothing."""
        return cls(*np.zeros((3, num_classes), np.int64))

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.true_positive + other.true_positive,
            self.ground_truth + other.ground_truth,
            self.predicted + other.predicted,
        )

    def iou(self) -> NDArray[np.float64]:
        """Intersection over union per class, float64 (K,), NaN where the union is empty."""
        union = self.ground_truth + self.predicted - self.true_positive
        empty = np.full(len(union), np.nan)
        return np.divide(self.true_positive, union, out=empty, where=union > 0)

    def miou(self) -> float:
        """Mean IoU of the classes that have one; NaN where none has."""
        iou = self.iou()
        present = iou[~np.isnan(iou)]
        return float(present.mean()) if len(present) else float("nan")

    def all_accuracy(self) -> float:
        """Share of the labelled pixels that are right; NaN where nothing is labelled."""
        labelled = int(self.ground_truth.sum())
        return int(self.true_positive.sum()) / labelled if labelled else float("nan")


class Confusion:
    """Confusion matrix of any number of images; ``matrix[i, j]``: pixels of class i that were taken for j."""

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.matrix = np.zeros((num_classes, num_classes), np.int64)

    def add(self, prediction: LabelMap, ground_truth: LabelMap) -> Counts:
        """Count one image and return what it alone contributed.

        Both maps are (H, W). Pixels whose ground truth is not a class are dropped.

        Raises:
            ValueError: the sizes differ, or the prediction holds a value that is not a class.
        """
        image = confusion_matrix(prediction, ground_truth, self.num_classes)
        self.matrix += image
        return Counts.of(image)

    def counts(self) -> Counts:
        """The counts of all images so far."""
        return Counts.of(self.matrix)


def confusion_matrix(prediction: LabelMap, ground_truth: LabelMap, num_classes: int) -> NDArray[np.int64]:
    """Confusion matrix (K, K) of one image; see :meth:`Confusion.add`."""
    if prediction.shape != ground_truth.shape:
        raise ValueError(f"prediction {prediction.shape} and ground truth {ground_truth.shape} differ in size")
    if prediction.size and int(prediction.max()) >= num_classes:
        raise ValueError(f"the prediction holds {prediction.max()}, not one of {num_classes} classes")
    import cv2  # the results, which add counts up, do without it

    # OpenCV's joint histogram needs no array of the image's size, and leaves out values that are not a class. It counts
    # in float32, so it is computed over parts in which every number is exact.
    matrix = np.zeros((num_classes, num_classes), np.int64)
    rows = max(1, LARGEST_COUNT // max(1, prediction.shape[1]))
    for top in range(0, len(prediction), rows):
        maps = ground_truth[top : top + rows], prediction[top : top + rows]
        found = cv2.calcHist(maps, [0, 1], None, [num_classes] * 2, [0, num_classes] * 2)
        matrix += found.reshape(matrix.shape).astype(np.int64)
    return matrix
