from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from pointrend.datasets.registry import classes_of
from pointrend.errors import CheckFailed
from pointrend.evaluation.pictures import PANELS, read_sheet
from pointrend.files import sha256_file, write_bytes, write_json
from pointrend.results.compare import compare
from pointrend.results.page.carried import gather
from pointrend.results.page.classes import class_tables, matrices
from tests.results.pages import page_of
from tests.results.runs import ASSUMED, finish, published, released, selected, sheet


def of_classes(folder: Path, *, original: bool = False) -> dict[str, Any]:
    """Two seeds of voc_r50 with a matrix beside the first, and the released weights, with other IoU."""
    runs = [selected(folder, "voc_r50", seed) for seed in (0, 1)] + ([] if original else [released(folder)])
    for run in runs:
        finish(run)
    found = compare("demo" if original else "paper", runs, published("demo" if original else "paper"), ASSUMED)
    for row, run, bicycle in zip(found["runs"], runs, (20.0, 30.0, 21.5), strict=False):
        path = run.folder / "metrics.json"
        iou = {"aeroplane": None, "bicycle": bicycle, "background": 90.0}
        write_json(path, {"iou": iou, "coarse_iou": iou | {"bicycle": 19.0}})
        row["hashes"] = {"metrics.json": sha256_file(path)}
    return found


def planted(results: dict[str, Any], folder: Path, pairs: list[tuple[int, int, int]]) -> dict[str, Any]:
    """The results with a matrix in the folder of the first row: classes, what they were taken for, and pixels."""
    path = folder / "voc_r50-s0/matrix.parquet"
    columns = zip(*pairs, strict=True)
    parquet.write_table(pa.table(dict(zip(("truth", "predicted", "pixels"), columns, strict=True))), path)
    results["runs"][0]["hashes"]["matrix.parquet"] = sha256_file(path)
    return results


def test_classes_are_in_order_with_difference_gain_and_pixels(tmp_path: Path) -> None:
    results = planted(of_classes(tmp_path), tmp_path, [(0, 0, 70), (0, 2, 5), (2, 2, 25)])
    (table,) = class_tables(results, published(), gather(results, tmp_path, tmp_path / "no page"))
    assert table.caption == "PASCAL VOC 2012, ResNet-50 (seed 0, seed 1): 2 classes, 1 absent"
    assert table.columns == ("IoU", "Minus released", "Gain", "Pixels")
    assert list(table.rows) == [
        ("background", 90.0, ["+0.00", "+0.00", "75.00%"]),
        ("bicycle", 25.0, ["+3.50", "+6.00", "25.00%"]),
    ]
    assert table.absent == ["aeroplane"]


def test_what_is_not_known_of_classes_has_no_column(tmp_path: Path) -> None:
    results = of_classes(tmp_path)
    results["runs"] = results["runs"][2:]
    (table,) = class_tables(results, published(), gather(results, tmp_path, tmp_path / "no page"))
    assert (table.caption[-33:], table.columns) == ("(released weights): 2 classes, 1 absent"[-33:], ("IoU", "Gain"))
    demo = of_classes(tmp_path / "demo", original=True)
    (table,) = class_tables(demo, published("demo"), gather(demo, tmp_path / "demo", tmp_path / "no page"))
    assert table.columns == ("IoU", "Minus original", "Gain")


def test_a_matrix_is_drawn_by_rows_and_its_mistakes_are_listed(tmp_path: Path) -> None:
    results = planted(of_classes(tmp_path), tmp_path, [(0, 0, 19988), (0, 2, 12), (2, 0, 10), (2, 2, 30)])
    (chart,) = matrices(results, gather(results, tmp_path, tmp_path / "no page"))
    (cells,) = chart.spec["datasets"].values()
    assert [(cell["truth"], cell["predicted"], cell["share"]) for cell in cells] == [
        ("background", "background", "99.94%"),
        ("bicycle", "background", "25.00%"),
        ("bicycle", "bicycle", "75.00%"),
    ]
    assert chart.numbers
    assert chart.numbers.rows == (("background", "bicycle", "0.06%"), ("bicycle", "background", "25.00%"))
    page = page_of(results, tmp_path)
    assert page.count("<summary>voc_r50 (seed 0)</summary>") == page.count('data-file="voc_r50-s0/matrix.parquet"') == 1
    del results["runs"][0]["hashes"]["matrix.parquet"]
    assert 'id="confusion"' not in page_of(results, tmp_path)


@pytest.mark.parametrize("content", [b"PAR1", None])
def test_what_is_no_matrix_is_named(content: bytes | None, tmp_path: Path) -> None:
    results = planted(of_classes(tmp_path), tmp_path, [(0, 21, 1)])  # of 21 classes
    if content:
        path = tmp_path / "voc_r50-s0/matrix.parquet"
        write_bytes(path, content)
        results["runs"][0]["hashes"]["matrix.parquet"] = sha256_file(path)
    with pytest.raises(CheckFailed, match=r"voc_r50-s0/matrix\.parquet is not a confusion matrix"):
        matrices(results, gather(results, tmp_path, tmp_path / "no page"))


def test_the_panels_of_a_drawn_image_are_found() -> None:
    found = read_sheet(sheet(0), classes_of("voc"))
    assert list(found.boxes) == list(PANELS)
    assert [found.boxes[name] for name in ("photo", "label", "wrong after refining")] == [
        *((8, 22, 320, 240), (336, 22, 320, 240), (336, 562, 320, 240)),
    ]
    palette = [tuple(level) for level in classes_of("voc").palette[:5].tolist()]
    assert found.legend == list(zip(classes_of("voc").names[:5], palette, strict=True))


@pytest.mark.parametrize("content", [b"picture", sheet(0)[:80]])
def test_what_is_no_drawn_image_is_an_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_sheet(content, classes_of("voc"))
