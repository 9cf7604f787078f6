"""Rows of released weights: what they state, how they are judged, and how a training is compared with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pointrend.evaluation.confusion import Counts
from pointrend.evaluation.counts_file import read_counts
from pointrend.files import sha256_file, sha256_json
from pointrend.results.compare import compare
from pointrend.results.intervals import paired_interval
from pointrend.results.report import render_readme, render_summary, terminal_table
from pointrend.results.run_files import STALE_SCORE, SelectedRun
from tests.results.pages import PageReader, page_of, table_rows
from tests.results.runs import (
    ASSUMED,
    DATA,
    FINGERPRINT,
    MACHINE,
    MIOU,
    edit,
    finish,
    published,
    released,
    rows_of,
    selected,
    sheet,
    write_two_classes,
)

HOW_TRAINED = {
    *("began", "seconds"),
    *("attempts", "backbone_sha256", "gpus", "nodes", "images_per_gpu", "batch_norm", "checkpoint_rule"),
    *("machine", "precision", "start"),
}
FILES = ("metrics.json", "evaluate.json", "confusion.parquet", "matrix.parquet", "pictures/a.png")


def test_a_scored_release_has_a_row_of_its_own(tmp_path: Path) -> None:
    run, training = released(tmp_path), selected(tmp_path)
    for each in (run, training):
        finish(each, {"a.png": sheet(0)})
    (row,), (trained,) = rows_of(run), rows_of(training)
    chain = row.pop("provenance")
    assert (chain["model_sha256"], chain["scoring"]["machine"]) == ("a" * 64, MACHINE)
    assert chain.keys() == trained.pop("provenance").keys() - HOW_TRAINED
    low, high = row["image_interval"]
    assert 0 < low <= MIOU <= high <= 100
    assert row == trained | {
        **{"seed": None, "kind": "released", "evidence": "released", "verdict": "differs"},
        **{"sigma": None, "sigma_source": None, "interval": None, "validation": []},
        "hashes": {
            **{name: sha256_file(run.folder / name) for name in FILES},
            **{"code": "5" * 64, "data_manifest": "d" * 64, "fingerprint": FINGERPRINT, "weights": "a" * 64},
        },
    }


def test_a_release_that_is_not_comparable_is_not_judged(tmp_path: Path) -> None:
    run = released(tmp_path, "voc_r50", "archives pins-12345678")
    finish(run)
    (row,) = rows_of(run)
    assert (row["miou"], row["difference"], row["verdict"]) == (MIOU, None, "not comparable")
    assert row["evidence"] == "released"


def test_a_release_that_was_not_scored_or_is_stale_is_not_run(tmp_path: Path) -> None:
    run = released(tmp_path)
    assert [(row["verdict"], row["evidence"], row["reasons"]) for row in rows_of(run)] == [("not run", "inputs", [])]
    finish(run)
    (row,) = rows_of(replace(run, scoring_fingerprint="0" * 64))
    assert (row["miou"], row["verdict"], row["reasons"]) == (None, "not run", [STALE_SCORE])


def test_files_that_contradict_each_other_make_a_release_unverified(tmp_path: Path) -> None:
    """Which files do is tested with trainings."""
    run = released(tmp_path)
    finish(run)
    edit(run, "metrics.json", n_images=3)
    (row,) = rows_of(run)
    assert (row["verdict"], row["miou"]) == ("unverified", None)
    assert row["reasons"][0].startswith("released weights of voc_r50: 2 images were counted")
    assert row["reasons"][0].endswith("; run `pointrend evaluate voc_r50 --released` again")


def trained_and_released(folder: Path, *ids: str) -> tuple[SelectedRun, SelectedRun]:
    """A training and a release that has two pixels less right in one image; ``ids`` are its names of the images."""
    training, release = selected(folder), released(folder)
    finish(training)
    finish(release)
    file = release.folder / "confusion.parquet"
    stored = read_counts(file)
    stored.true_positive[0] -= [2, 0]
    stored.predicted[0] += [-2, 2]
    images = zip(ids, zip(stored.true_positive, stored.ground_truth, stored.predicted, strict=True), strict=True)
    hashes = write_two_classes(release.folder, {name: Counts(*image) for name, image in images})
    edit(release, "metrics.json", miou=100 * read_counts(file).total.miou(), **hashes)
    edit(release, "evaluate.json", data=DATA | {"ids_sha256": {"val": sha256_json(list(ids))}})
    return training, release


def test_a_training_is_compared_with_the_release_on_the_same_images(tmp_path: Path) -> None:
    runs = trained_and_released(tmp_path, "a", "b")
    results = compare("paper", runs, published(), ASSUMED)
    trained, release = results["runs"]
    low, high = trained["paired_interval"]
    assert (low, high) == paired_interval(*(read_counts(run.folder / "confusion.parquet") for run in runs))
    assert high > 0
    assert (trained["verdict"], release["paired_interval"]) == ("below", None)
    cells = ["voc_r50", "0", "48.86%", f"{release['miou']:.2f}%", f"{MIOU - release['miou']:+.2f}"]
    assert [*cells, f"{low:+.2f} to {high:+.2f}"] in PageReader(page_of(results, tmp_path)).rows
    table = render_readme(results, published()).partition("## Our weights against the released ones\n")[2]
    assert table_rows(table)[2][:5] == cells


def test_other_images_are_not_compared_with_each_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trained, _ = rows_of(*trained_and_released(tmp_path, "a", "c"))
    assert trained["paired_interval"] is None
    assert "the two counts are not of the same images" in caplog.text


def test_rows_stand_in_the_order_trained_seeds_released(tmp_path: Path) -> None:
    runs = [selected(tmp_path, run, seed) for run in ("voc_r50", "voc_r101") for seed in range(3)]
    for run in runs[:3]:
        finish(run)
    kinds = [(row["run"], row["kind"]) for row in rows_of(*runs, released(tmp_path))]
    expected = ["trained"] * 3 + ["seeds", "released"]
    assert kinds == [*(("voc_r50", kind) for kind in expected), *[("voc_r101", "trained")] * 3]


def test_tables_show_releases_beside_trainings(tmp_path: Path) -> None:
    runs = [selected(tmp_path), selected(tmp_path, "voc_r101"), released(tmp_path), released(tmp_path, "voc_r101")]
    finish(runs[2], {"a.png": sheet(0)})
    results = compare("paper", runs, published(), ASSUMED)
    summary, difference = table_rows(render_summary(results, published())), f"{MIOU - 69.84:+.2f}".replace("-", "−")
    none, theirs = ["–", "–", "not run"], ["48.86%", difference, "differs", "released"]
    assert summary[2] == [
        "PASCAL VOC 2012, ResNet-50",
        "69.84%",
        *none,
        f"48.86% ({difference})",
        "differs",
        "released",
    ]
    assert summary[3] == ["PASCAL VOC 2012, ResNet-101", "72.31%", *none, "–", "not run", "inputs"]
    readme, page = render_readme(results, published()), PageReader(page_of(results, tmp_path))
    assert "0 of 2 runs are scored, and 1 of 2 released weights." in readme
    assert "## Seeds and released weights\n\nRows whose seed is “released” are" in readme
    assert "- differs – the released weights score more than 0.05 points from the published number" in readme
    assert len(page.pictures) == 1
    row = ["voc_r50", "69.84%", "released", "48.86%", difference, "differs"]
    assert ["voc_r50", "released", "32", *theirs] in page.rows
    assert row in [line.split() for line in terminal_table(results, published()).splitlines()]


def test_without_releases_the_tables_do_not_speak_of_them(tmp_path: Path) -> None:
    readme = render_readme(compare("paper", [selected(tmp_path)], published(), ASSUMED), published())
    assert "0 of 1 runs are scored." in readme
    assert "“released”" not in readme
