"""The golden cases of the metric: pairs of label maps and what they score."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = json.loads((GOLDEN / "metric.json").read_text())
IGNORE = 255


def golden_pairs(case: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Predictions and ground truths of a golden case, with 255 for its -1."""
    with np.load(GOLDEN / "metric.npz") as arrays:
        count = CASES[case]["n_images"]
        truths = [arrays[f"{case}_gt{i}"] for i in range(count)]
        return [
            (arrays[f"{case}_pred{i}"], np.where(truth < 0, IGNORE, truth).astype(np.uint8))
            for i, truth in enumerate(truths)
        ]


def golden_iou(case: str) -> np.ndarray:
    """IoU per class of a golden case, NaN where a class is absent."""
    with np.load(GOLDEN / "metric.npz") as arrays:
        return arrays[f"{case}_iou"]
