from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from pointrend.errors import CheckFailed, ParamsError, ResultsError
from pointrend.files import sha256_file
from pointrend.results.published import Figure, load_published, render_introduction, render_tables
from tests.results.runs import PUBLISHED, RUNS, published

DOCUMENT_SHA256 = "91e2f9b5b0cfdbbcfe75b38bf88da8cb52b1e97bc2200eb2111c34b24b2d0582"


def document() -> str:
    return (PUBLISHED / "pointrend.md").read_bytes().decode()


def test_the_document_is_the_published_one() -> None:
    assert sha256_file(PUBLISHED / "pointrend.md") == DOCUMENT_SHA256
    assert published().sha256 == DOCUMENT_SHA256


def test_introduction_and_tables_come_back_byte_for_byte() -> None:
    """The document's results are exactly what its data render to, between its introduction and its last section."""
    data = published()
    tables = "\n".join(f"#### {heading}\n{rows}" for heading, rows in render_tables(data).items())
    assert document().startswith(f"{render_introduction(data)}\n\n## Results\n\n{tables}\n\n## More\n")


def test_published_miou() -> None:
    mious = [published().miou(run) for run in (*RUNS, "voc_r18")]
    assert mious == [69.84, 72.31, 37.80, 40.26, 76.89, 78.80, None]


def test_the_original_on_the_images_of_the_demo() -> None:
    demo = load_published(PUBLISHED, "demo")
    figures = {run: demo.figure(run) or Figure(()) for run in RUNS}
    found = {run: (round(one.mean, 3), round(one.spread or 0, 3)) for run, one in figures.items()}
    assert found == {
        **{"voc_r50": (78.529, 7.356), "voc_r101": (69.776, 5.243)},
        **{"ade20k_r50": (67.81, 4.93), "ade20k_r101": (68.522, 3.145)},
        **{"cityscapes_r50": (81.385, 2.379), "cityscapes_r101": (82.722, 1.582)},
    }
    assert [len(demo.original[run]) for run in RUNS] == [4, 3, 7, 3, 4, 3]
    assert (demo.miou("voc_r18"), str(demo.figure("voc_r50"))) == (None, "78.53 ± 7.36 (4)")
    for trainings in demo.original.values():
        for training in trainings:  # of one schedule; IoU is rounded to three decimals
            assert [row[0] for row in training.losses] == [row[0] for row in trainings[0].losses]
            assert training.miou == pytest.approx(fmean(training.iou.values()), abs=1e-3)


def test_independent_figures_name_their_sources_at_a_commit() -> None:
    rows = published().independent
    assert [(row.run, row.implementation, row.miou) for row in rows] == [
        ("voc_r50", "PaddleSeg", "72.82"),
        ("voc_r101", "PaddleSeg", "74.09"),
        ("ade20k_r50", "mmsegmentation", "37.64"),
        ("ade20k_r101", "mmsegmentation", "40.02"),
        ("cityscapes_r50", "mmsegmentation", "76.47"),
        ("cityscapes_r50", "PaddleSeg", "76.54"),
        ("cityscapes_r101", "detectron2", "78.9"),
        ("cityscapes_r101", "mmsegmentation", "78.30"),
    ]
    assert all(re.match("https://github.com/[^/]+/[^/]+/blob/[0-9a-f]{40}/", row.url) for row in rows)


def test_runs_fit_the_files_of_their_rows() -> None:
    for row in (row for section in published().sections for row in section.rows):
        dataset, backbone = row.run.split("_r")
        assert row.backbone == f"R-{backbone}-D8"
        for url in (row.cfg, row.model, row.log):
            assert f"resnet{backbone}os8_{dataset}" in url


def copied(folder: Path, change: Callable[[Any], None] = lambda values: None) -> Path:
    """A copy of published/ with its data changed."""
    shutil.copytree(PUBLISHED, folder / "published")
    table = folder / "published/pointrend_table.json"
    values = json.loads(table.read_text())
    change(values)
    table.write_text(json.dumps(values))
    return folder / "published"


def test_a_changed_document_is_refused(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "pointrend.md").write_text(document().replace("69.84%", "69.48%"))
    with pytest.raises(CheckFailed, match=r"pointrend\.md has sha256 .*, but .* names 91e2f9b5") as caught:
        load_published(folder)
    assert caught.value.exit_code == 3


def set_miou(values: Any) -> None:
    values["sections"][0]["rows"][0]["miou"] = "69.85%"


def swap_headings(values: Any) -> None:
    first, second = values["sections"][:2]
    first["heading"], second["heading"] = second["heading"], first["heading"]


def drop_year(values: Any) -> None:
    values["introduction"]["bibtex"] = values["introduction"]["bibtex"].replace("2020", "2021")


def swap_links(values: Any) -> None:
    row = values["sections"][2]["rows"][1]
    row["cfg"], row["model"] = row["model"], row["cfg"]


@pytest.mark.parametrize("change", [set_miou, swap_headings, drop_year, swap_links])
def test_changed_data_are_refused(change: Callable[[Any], None], tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=r"differs from .* under"):
        load_published(copied(tmp_path, change))


@pytest.mark.parametrize("key", ["document", "sha256", "introduction", "sections"])
def test_incomplete_data_are_refused(key: str, tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=key):
        load_published(copied(tmp_path, lambda values: values.pop(key)))


@pytest.mark.parametrize(("name", "key"), [("demo_original.json", "runs"), ("independent.json", "rows")])
def test_damaged_figures_of_others_are_refused_in_a_line(name: str, key: str, tmp_path: Path) -> None:
    folder = copied(tmp_path)
    values = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(values | {key: 3}))
    with pytest.raises(ParamsError, match=f"^published/{name}: {key}: [^\n]*restore the folder published/"):
        load_published(folder, "demo")


def test_a_missing_document_is_named(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "pointrend.md").unlink()
    with pytest.raises(ResultsError, match=r"pointrend\.md does not exist"):
        load_published(folder)
