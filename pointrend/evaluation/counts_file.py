"""``confusion.parquet``: what every image contributed to the metric, so that anyone can count again.

One row per image and class that occurs in it, in the order of evaluation. The file's own metadata says how many
images and classes were scored, since an image without any labelled pixel has no row. Nothing here needs torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from pointrend.errors import ResultsError
from pointrend.evaluation.confusion import Counts
from pointrend.files import atomic_path

COLUMNS = pa.schema(
    [
        ("image", pa.string()),
        ("class", pa.int16()),
        ("true_positive", pa.int64()),
        ("ground_truth", pa.int64()),
        ("predicted", pa.int64()),
    ]
)
METADATA = b"scored"
"""Where the file's metadata has ``{"classes": K, "images": N}``, as JSON."""


@dataclass(frozen=True)
class StoredCounts:
    """The sum of a ``confusion.parquet``."""

    total: Counts
    images: int


def counts_table(images: Mapping[str, Counts], num_classes: int) -> pa.Table:
    """The rows (image id, class, true_positive, ground_truth, predicted) of all images, without all-zero rows."""
    counts = np.array([[c.true_positive, c.ground_truth, c.predicted] for c in images.values()], np.int64)
    counts = counts.reshape(len(images), 3, num_classes)
    which, class_id = np.nonzero(counts.any(axis=1))
    names = np.array(list(images), object)[which]
    schema = COLUMNS.with_metadata({METADATA: json.dumps({"classes": num_classes, "images": len(images)})})
    return pa.table([names, class_id.astype(np.int16), *counts[which, :, class_id].T], schema=schema)


def write_counts(path: Path, table: pa.Table) -> None:
    """Write a :func:`counts_table` atomically; equal tables give equal bytes."""
    with atomic_path(path) as temporary:
        parquet.write_table(table, temporary, compression="zstd", compression_level=3)


def read_counts(path: Path) -> StoredCounts:
    """Add up a ``confusion.parquet`` after checking that its rows can be true.

    Raises:
        ResultsError: the file is missing, not such a file, or contradicts itself.
    """
    table, n_images, num_classes = _read(path)
    image, class_id, *columns = (column.to_numpy() for column in table.columns)
    counts = np.stack(columns)
    true_positive, ground_truth, predicted = counts
    rows_of_an_image = list(zip(image, class_id.tolist(), strict=True))
    problems = {
        "a class out of range": bool(((class_id < 0) | (class_id >= num_classes)).any()),
        "an image and class counted twice": len(set(rows_of_an_image)) != len(rows_of_an_image),
        "more images than were scored": len(set(image)) > n_images,
        "counts that cannot be": bool(
            ((true_positive < 0) | (true_positive > np.minimum(ground_truth, predicted))).any()
        ),
    }
    for problem, found in problems.items():
        if found:
            raise ResultsError(f"{path} has {problem}", "evaluate that run again")
    totals = np.zeros((3, num_classes), np.int64)
    for total, column in zip(totals, counts, strict=True):
        np.add.at(total, class_id, column)
    return StoredCounts(Counts(*totals), n_images)


def miou_from_counts(path: Path) -> float:
    """Mean IoU in percent, as ``metrics.json`` has it, from the stored counts alone."""
    return 100 * read_counts(path).total.miou()


def _read(path: Path) -> tuple[pa.Table, int, int]:
    try:
        table = parquet.ParquetFile(path).read()
        if table.schema != COLUMNS:
            raise ValueError(f"its columns are {table.schema.names}, not {COLUMNS.names}")
        scored = json.loads((table.schema.metadata or {})[METADATA])
        return table, int(scored["images"]), int(scored["classes"])
    except (OSError, ValueError, KeyError, pa.ArrowException) as problem:
        raise ResultsError(f"cannot read {path}: {problem}", "evaluate that run again") from problem
