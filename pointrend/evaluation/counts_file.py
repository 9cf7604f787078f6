"""``confusion.parquet``, what every image adds to the metric, and ``matrix.parquet``, which class was taken for which.

The first has one row per image and class that occurs in it, in the order of evaluation, so that anyone can count again;
its own metadata has the number of images and classes that were scored, since an image without any labelled pixel has no
row. The second has one row per pair of classes that occurs, sorted: pixels of class ``truth`` over all images that were
predicted as ``predicted``. Nothing here needs torch.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from pointrend.errors import CheckFailed, ResultsError
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
MATRIX_COLUMNS = pa.schema([("truth", pa.int16()), ("predicted", pa.int16()), ("pixels", pa.int64())])
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


def matrix_table(matrix: NDArray[np.int64]) -> pa.Table:
    """The rows (truth, predicted, pixels) of a confusion matrix (K, K), without zeros."""
    truth, predicted = np.nonzero(matrix)
    columns = [truth.astype(np.int16), predicted.astype(np.int16), matrix[truth, predicted]]
    return pa.table(columns, schema=MATRIX_COLUMNS)


def write_counts(path: Path, table: pa.Table) -> None:
    """Write a :func:`counts_table` or a :func:`matrix_table` atomically; equal tables give equal bytes."""
    with atomic_path(path) as temporary:
        parquet.write_table(table, temporary, compression="zstd", compression_level=3)


def read_counts(path: Path) -> StoredCounts:
    """Read a ``confusion.parquet`` and check that its rows are possible.

    Raises:
        ResultsError: the file is missing, not such a file, or contradicts itself.
    """
    table, n_images, num_classes, ids_sha256 = _scored(path)
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


def read_matrix(path: Path, total: Counts) -> NDArray[np.int64]:
    """Read a ``matrix.parquet``, int64 (K, K), which must give the ``total`` counts of confusion.parquet.

    Raises:
        CheckFailed: its rows, columns or diagonal give others.
        ResultsError: the file is missing, or not such a file.
    """
    table, classes = _read(path, MATRIX_COLUMNS), len(total.ground_truth)
    matrix = np.zeros((classes, classes), np.int64)
    with contextlib.suppress(IndexError, ValueError):
        truth, predicted, pixels = (column.to_numpy() for column in table.columns)
        matrix[truth, predicted] = pixels
    if not matrix_table(matrix).equals(table):
        raise ResultsError(f"{path} has pairs of classes that are out of range, twice or out of order", EVALUATE_AGAIN)
    for name, wanted in vars(total).items():
        found = getattr(Counts.of(matrix), name)
        for of_class in np.flatnonzero(found != wanted)[:1]:
            what = f"{name} {found[of_class]} for class {of_class}, but confusion.parquet {wanted[of_class]}"
            raise CheckFailed(f"{path} gives {what}", EVALUATE_AGAIN)
    return matrix


def _scored(path: Path) -> tuple[pa.Table, int, int, str]:
    table = _read(path, COLUMNS)
    try:
        scored = json.loads((table.schema.metadata or {})[METADATA])
        return table, int(scored["images"]), int(scored["classes"]), str(scored["ids_sha256"])
    except (ValueError, KeyError) as problem:
        raise ResultsError(f"cannot read {path}: {problem}", EVALUATE_AGAIN) from problem


def _read(path: Path, columns: pa.Schema) -> pa.Table:
    if not path.is_file():
        raise ResultsError(f"{path} does not exist", "evaluate that run first")
    try:
        table = parquet.ParquetFile(path).read()
        if table.schema != columns:
            raise ValueError(f"its columns are {table.schema.names}, not {columns.names}")
        if any(column.null_count for column in table.columns):
            raise ValueError("a value is missing")
    except (OSError, ValueError, pa.ArrowException) as problem:
        raise ResultsError(f"cannot read {path}: {problem}", EVALUATE_AGAIN) from problem
    return table
