"""``confusion.parquet``: the contribution of every image to the metric, so that anyone can count again.

One row per image and class that occurs in it, in the order of evaluation. The file's own metadata has the number of
images and classes that were scored, since an image without any labelled pixel has no row. Nothing here needs torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from pointrend.errors import ResultsError
from pointrend.evaluation.confusion import Counts
from pointrend.files import atomic_path, sha256_json

COLUMNS = pa.schema(
    [
        ("image", pa.string()),
        ("class", pa.int16()),
        ("true_positive", pa.int64()),
        ("ground_truth", pa.int64()),
        ("predicted", pa.int64()),
    ]
)
# The key of the file's metadata: ``{"classes": K, "images": N, "ids_sha256": hash of all N ids}``, as JSON.
METADATA = b"scored"
EVALUATE_AGAIN = "evaluate that run again"


@dataclass(frozen=True, eq=False)
class StoredCounts:
    """The content of a ``confusion.parquet``: int64 counts (I, K) of the I images ``ids``, which have labelled pixels.

    ``images`` is the number of all that were scored, those without any labelled pixel included, and ``ids_sha256`` the
    sha256 of the JSON list of their ids, in the order of evaluation.
    """

    ids: tuple[str, ...]
    true_positive: NDArray[np.int64]
    ground_truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    images: int
    ids_sha256: str

    @property
    def total(self) -> Counts:
        """The sum over all images, from which the metric is computed."""
        return Counts(self.true_positive.sum(axis=0), self.ground_truth.sum(axis=0), self.predicted.sum(axis=0))


def counts_table(images: Mapping[str, Counts], num_classes: int) -> pa.Table:
    """The rows (image id, class, true_positive, ground_truth, predicted) of all images, without all-zero rows."""
    counts = np.array([[c.true_positive, c.ground_truth, c.predicted] for c in images.values()], np.int64)
    counts = counts.reshape(len(images), 3, num_classes)
    which, class_id = np.nonzero(counts.any(axis=1))
    names = np.array(list(images), object)[which]
    scored = {"classes": num_classes, "images": len(images), "ids_sha256": sha256_json(list(images))}
    schema = COLUMNS.with_metadata({METADATA: json.dumps(scored)})
    return pa.table([names, class_id.astype(np.int16), *counts[which, :, class_id].T], schema=schema)


def write_counts(path: Path, table: pa.Table) -> None:
    """Write a :func:`counts_table` atomically; equal tables give equal bytes."""
    with atomic_path(path) as temporary:
        parquet.write_table(table, temporary, compression="zstd", compression_level=3)


def read_counts(path: Path) -> StoredCounts:
    """Read a ``confusion.parquet`` and check that its rows are possible.

    Raises:
        ResultsError: the file is missing, not such a file, or contradicts itself.
    """
    table, n_images, num_classes, ids_sha256 = _read(path)
    image, class_id, *columns = (column.to_numpy() for column in table.columns)
    true_positive, ground_truth, predicted = columns
    place = {name: number for number, name in enumerate(dict.fromkeys(image))}
    cells = list(zip(image, class_id.tolist(), strict=True))
    problems = {
        "a class out of range": bool(((class_id < 0) | (class_id >= num_classes)).any()),
        "an image and class counted twice": len(set(cells)) != len(cells),
        "more images than were scored": len(place) > n_images,
        "impossible counts": bool(((true_positive < 0) | (true_positive > np.minimum(ground_truth, predicted))).any()),
    }
    for problem, found in problems.items():
        if found:
            raise ResultsError(f"{path} has {problem}", EVALUATE_AGAIN)
    counts = np.zeros((3, len(place), num_classes), np.int64)
    counts[:, [place[name] for name in image], class_id] = columns
    return StoredCounts(tuple(place), counts[0], counts[1], counts[2], n_images, ids_sha256)


def _read(path: Path) -> tuple[pa.Table, int, int, str]:
    try:
        table = parquet.ParquetFile(path).read()
        if table.schema != COLUMNS:
            raise ValueError(f"its columns are {table.schema.names}, not {COLUMNS.names}")
        scored = json.loads((table.schema.metadata or {})[METADATA])
        return table, int(scored["images"]), int(scored["classes"]), str(scored["ids_sha256"])
    except (OSError, ValueError, KeyError, pa.ArrowException) as problem:
        raise ResultsError(f"cannot read {path}: {problem}", EVALUATE_AGAIN) from problem
