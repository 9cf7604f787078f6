"""What `evaluate` prints at its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pointrend.logs import calling_engine
from pointrend.terminal import NOTHING, WIDTH

NAME = 18  # letters of the name of a class that are shown


def scores_text(metrics: Mapping[str, Any], folder: Path) -> str:
    """The IoU of every class, the mIoU, and the folder of the files; no classes where an engine shows many jobs.

    ``metrics`` as in metrics.json.
    """
    coarse, images = metrics["coarse"]["miou"], metrics["n_images"]
    miou = f"mIoU {metrics['miou']:.2f}% of {images} images, {coarse:.2f}% before refinement"
    if calling_engine():
        return f"{miou}; written to {folder}/"
    others = f"boundary IoU {metrics['boundary_iou']:.2f}%, pixel accuracy {metrics['all_accuracy']:.2f}%"
    return "\n".join([*class_lines(metrics["iou"]), "", miou, others, f"written to {folder}/"])


def class_lines(iou: Mapping[str, float | None]) -> list[str]:
    """The classes in columns, from top to bottom; ``iou`` is in percent, None for a class that no image has."""
    width = min(NAME, max(map(len, iou)))
    texts = {name: NOTHING if value is None else f"{value:.2f}" for name, value in iou.items()}
    cells = [f"{name[:width]:<{width}} {text:>6}" for name, text in texts.items()]
    columns = (WIDTH + 2) // (width + 9)
    rows = -(-len(cells) // columns)
    return [f"IoU of {len(cells)} classes, %", *("  ".join(cells[row::rows]) for row in range(rows))]
