"""Boundary IoU: IoU of the bands along the outlines of the masks (Cheng et al., CVPR 2021).

A pixel is in its mask's band where another label, or the outside of the image, is at most d rows and d columns away.
The bands of prediction and ground truth are intersected and united per class over the whole set, like the masks in
mIoU. Pixels without a label belong to no mask in either map, so that a prediction which is right wherever there is a
label scores 1; the boundary of VOC's objects is then taken at the inner edge of the unlabelled rim.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from pointrend.datasets.classes import IGNORE
from pointrend.evaluation.confusion import Counts, LabelMap

# Band width as a share of the image's diagonal: the paper's value for photographs, 12 pixels in VOC, and its value for
# Cityscapes, whose images are four times as wide, 11 pixels. There, 2 % would cover whole poles.
DILATION_RATIO = 0.02
DATASET_DILATION_RATIO = {"cityscapes": 0.005}


def dilation_ratio(dataset: str) -> float:
    """Band width in a dataset, as a share of the diagonal."""
    return DATASET_DILATION_RATIO.get(dataset, DILATION_RATIO)


def boundary_counts(prediction: LabelMap, ground_truth: LabelMap, num_classes: int, ratio: float) -> Counts:
    """Band pixels of one image per class: shared by both maps, in the ground truth, in the prediction.

    Both maps are (H, W) train ids, at most 255 classes; ``ratio`` is the band's width as a share of the diagonal.
    """
    labelled = ground_truth < num_classes
    width = max(1, round(ratio * math.hypot(*ground_truth.shape)))
    truth = np.where(labelled, ground_truth, IGNORE).astype(np.uint8)
    guess = np.where(labelled, prediction, IGNORE).astype(np.uint8)
    truth[~_bands(truth, width)] = IGNORE
    guess[~_bands(guess, width)] = IGNORE
    shared = truth[truth == guess]
    return Counts(*(np.bincount(labels[labels != IGNORE], minlength=num_classes) for labels in (shared, truth, guess)))


def _bands(labels: LabelMap, width: int) -> NDArray[np.bool_]:
    """Where another label is within ``width`` rows and columns: the bands of all masks of a map (H, W) at once.

    A window holds two labels exactly where its largest and its smallest one differ, whatever the classes are.
    """
    window = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    padded = cv2.copyMakeBorder(labels, width, width, width, width, cv2.BORDER_CONSTANT, value=IGNORE)
    mixed = cv2.dilate(padded, window) != cv2.erode(padded, window)
    return mixed[width:-width, width:-width]
