from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from pointrend.errors import CheckFailed, PointrendError, ResultsError
from pointrend.evaluation.confusion import Counts
from pointrend.evaluation.counts_file import (
    METADATA,
    counts_table,
    matrix_table,
    read_counts,
    read_matrix,
    write_counts,
)

IMAGES = {
    "street/a": Counts(*np.array([[3, 0, 0], [4, 0, 1], [3, 0, 2]])),
    "unlabelled": Counts.zeros(3),
    "street/b": Counts(*np.array([[0, 0, 5], [0, 0, 5], [1, 0, 5]])),
}


def test_rows_say_what_occurs_where():
    assert counts_table(IMAGES, 3).to_pylist() == [
        {"image": "street/a", "class": 0, "true_positive": 3, "ground_truth": 4, "predicted": 3},
        {"image": "street/a", "class": 2, "true_positive": 0, "ground_truth": 1, "predicted": 2},
        {"image": "street/b", "class": 0, "true_positive": 0, "ground_truth": 0, "predicted": 1},
        {"image": "street/b", "class": 2, "true_positive": 5, "ground_truth": 5, "predicted": 5},
    ]


def test_equal_counts_give_equal_bytes_and_images_without_rows_are_counted(tmp_path):
    for name in ("first", "second"):
        write_counts(tmp_path / name, counts_table(IMAGES, 3))
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert b"pandas" not in (tmp_path / "first").read_bytes()
    assert read_counts(tmp_path / "first").images == 3
    assert np.isnan(read_counts(tmp_path / "first").total.iou()[1])


def changed(**cell: int | None) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        first, *others = table.to_pylist()
        return pa.Table.from_pylist([first | cell, *others], table.schema)

    return change


ONE_IMAGE = '{"classes": 3, "images": 1, "ids_sha256": ""}'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed(true_positive=5), "impossible counts"),
        (changed(true_positive=-1), "impossible counts"),
        (changed(**{"class": 3}), "a class out of range"),
        (changed(**{"class": 2}), "an image and class counted twice"),
        (lambda table: table.replace_schema_metadata({METADATA: ONE_IMAGE}), "more images"),
        (lambda table: table.replace_schema_metadata(None), "cannot read"),
        (lambda table: table.drop_columns("predicted"), "its columns are"),
    ],
)
def test_counts_that_cannot_be_are_refused(change, message, tmp_path):
    parquet.write_table(change(counts_table(IMAGES, 3)), tmp_path / "counts")
    with pytest.raises(ResultsError, match=message):
        read_counts(tmp_path / "counts")


@pytest.mark.parametrize("content", [None, b"", b"no parquet"])
def test_a_file_that_is_none_is_named(content, tmp_path):
    if content is not None:
        (tmp_path / "counts").write_bytes(content)
    with pytest.raises(ResultsError, match=str(tmp_path / "counts")):
        read_counts(tmp_path / "counts")


MATRIX = np.array([[3, 0, 4], [0, 0, 0], [1, 0, 2**40]])


def test_a_matrix_has_a_row_per_pair_that_occurs_and_the_same_bytes(tmp_path):
    for name in ("first", "second"):
        write_counts(tmp_path / name, matrix_table(MATRIX))
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert parquet.read_table(tmp_path / "first").to_pylist() == [
        {"truth": 0, "predicted": 0, "pixels": 3},
        {"truth": 0, "predicted": 2, "pixels": 4},
        {"truth": 2, "predicted": 0, "pixels": 1},
        {"truth": 2, "predicted": 2, "pixels": 2**40},
    ]
    assert (read_matrix(tmp_path / "first", Counts.of(MATRIX)) == MATRIX).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (changed(pixels=2), CheckFailed, "gives true_positive 2 for class 0, but confusion.parquet 3"),
        (changed(predicted=1), CheckFailed, "gives true_positive 0 for class 0, but confusion.parquet 3"),
        (changed(truth=3), ResultsError, "out of range, twice or out of order"),
        (changed(truth=-1), ResultsError, "out of range, twice or out of order"),
        (changed(predicted=2), ResultsError, "out of range, twice or out of order"),
        (changed(pixels=None), ResultsError, "a value is missing"),
        (lambda table: table.take([1, 0, 2, 3]), ResultsError, "out of range, twice or out of order"),
        (lambda table: table.drop_columns("pixels"), ResultsError, "its columns are"),
    ],
)
def test_a_matrix_that_does_not_give_the_counts_is_refused(change, error, message, tmp_path):
    write_counts(tmp_path / "matrix", change(matrix_table(MATRIX)))
    with pytest.raises(PointrendError, match=message) as refused:
        read_matrix(tmp_path / "matrix", Counts.of(MATRIX))
    assert refused.type is error
