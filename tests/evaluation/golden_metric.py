"""The golden cases of the metric: pairs of label maps and what they score."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = json.loads((GOLDEN / "metric.json").read_text())
IGNORE = 255


def golden_case(case: str) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Predictions and ground truths of a golden case, with 255 for its -1; IoU per class, NaN where it is absent."""
    with np.load(GOLDEN / "metric.npz") as arrays:
        maps = [(arrays[f"{case}_pred{i}"], arrays[f"{case}_gt{i}"]) for i in range(CASES[case]["n_images"])]
        pairs = [(guess, np.where(truth < 0, IGNORE, truth).astype(np.uint8)) for guess, truth in maps]
        return pairs, arrays[f"{case}_iou"]
