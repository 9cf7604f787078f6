from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pointrend.errors import CheckFailed, ResultsError
from pointrend.files import canonical_json, sha256_file, sha256_json, write_json
from pointrend.results.compare import compare, read_results, sealed, write_results
from pointrend.results.run_files import NOT_EVALUATED, STALE, SelectedRun
from tests.results.runs import FINGERPRINT, MIOU, finish, published, results_of, selected


def row_of(run: SelectedRun, scale: str = "paper") -> dict[str, Any]:
    """The only row of the comparison of one run."""
    (row,) = compare(scale, [run], published())["runs"]
    return row


def test_a_comparable_run_has_a_difference_and_no_judgement(tmp_path: Path) -> None:
    run = selected(tmp_path)
    finish(run, ["a.png"])
    assert row_of(run) == {
        "run": "voc_r50",
        "seed": 0,
        "kind": "trained",
        "miou": MIOU,
        "published_miou": 69.84,
        "difference": MIOU - 69.84,
        "comparable": True,
        "evidence": "one-seed",
        "verdict": "not judged",
        "reasons": [],
        "interval": None,
        "n": 1,
        "sigma": None,
        "measures": {
            "all_accuracy": 75.0,
            "boundary_iou": 40.0,
            "coarse": {"miou": 50.0, "boundary_iou": 30.0},
            "n_images": 2,
        },
        "pictures": ["a.png"],
        "hashes": {
            "confusion.parquet": sha256_file(run.folder / "confusion.parquet"),
            "data_manifest": "d" * 64,
            "fingerprint": FINGERPRINT,
            "metrics.json": sha256_file(run.folder / "metrics.json"),
            "model.safetensors": "a" * 64,
        },
        "setting": run.setting,
    }


def test_a_run_that_is_not_comparable_has_no_difference(tmp_path: Path) -> None:
    run = selected(tmp_path, "voc_r50", 0, "scale demo", "archives demo")
    finish(run)
    row = row_of(run, "demo")
    assert (row["miou"], row["difference"], row["verdict"]) == (MIOU, None, "not comparable")
    assert row["reasons"] == ["scale demo", "archives demo"]
    assert row["comparable"] is False


def test_a_run_that_was_not_run_has_no_figure(tmp_path: Path) -> None:
    row = row_of(selected(tmp_path, "cityscapes_r101", 3))
    figures = ("miou", "difference", "interval", "sigma", "measures")
    assert all(row[name] is None for name in figures)
    assert (row["verdict"], row["evidence"], row["n"], row["seed"]) == ("not run", "inputs", 0, 3)
    assert row["published_miou"] == 78.80
    assert row["hashes"] == {"fingerprint": FINGERPRINT}
    assert row["reasons"] == []


def stale(run: SelectedRun) -> SelectedRun:
    return replace(run, fingerprint="0" * 64)


def without_inputs(run: SelectedRun) -> SelectedRun:
    return replace(run, fingerprint="")


def not_evaluated(run: SelectedRun) -> SelectedRun:
    (run.folder / "metrics.json").unlink()
    return run


@pytest.mark.parametrize(
    ("change", "reason"), [(stale, STALE), (without_inputs, STALE), (not_evaluated, NOT_EVALUATED)]
)
def test_unfinished_runs_count_as_not_run_and_say_why(
    change: Callable[[SelectedRun], SelectedRun], reason: str, tmp_path: Path
) -> None:
    run = selected(tmp_path, "voc_r50", 0, "scale demo")
    finish(run)
    row = row_of(change(run), "demo")
    assert (row["miou"], row["verdict"], row["evidence"]) == (None, "not run", "inputs")
    assert row["reasons"] == [reason, "scale demo"]


def edited(name: str, key: str, value: Any) -> Callable[[SelectedRun], None]:
    """Change one value in a JSON file of a run."""

    def edit(run: SelectedRun) -> None:
        values = json.loads((run.folder / name).read_text())
        write_json(run.folder / name, values | {key: value})

    return edit


def other_counts(run: SelectedRun) -> None:
    with (run.folder / "confusion.parquet").open("ab") as stream:
        stream.write(b"x")


def no_counts(run: SelectedRun) -> None:
    (run.folder / "confusion.parquet").unlink()


@pytest.mark.parametrize(
    ("spoil", "message", "again"),
    [
        (edited("metrics.json", "miou", MIOU + 2e-9), "its counts give mIoU", "evaluate"),
        (edited("metrics.json", "n_images", 3), "2 images were counted", "evaluate"),
        (edited("metrics.json", "model_sha256", "b" * 64), "scores other weights", "evaluate"),
        (edited("train.json", "model_sha256", "b" * 64), "scores other weights", "evaluate"),
        (edited("train.json", "seed", 1), "seed 1, not of", "train"),
        (edited("train.json", "run", "ade20k_r50"), "is of run ade20k_r50", "train"),
        (other_counts, "is not the one that metrics.json was made from", "evaluate"),
        (no_counts, "is not the one that metrics.json was made from", "evaluate"),
    ],
)
def test_files_that_contradict_each_other_are_named(
    spoil: Callable[[SelectedRun], None], message: str, again: str, tmp_path: Path
) -> None:
    run = selected(tmp_path, "voc_r101", 2)
    finish(run)
    spoil(run)
    with pytest.raises(CheckFailed, match=message) as caught:
        row_of(run)
    assert "run voc_r101 seed 2" in caught.value.what
    assert caught.value.do == f"run `pointrend {again} voc_r101 --seed 2` again"
    assert caught.value.exit_code == 3


def test_a_difference_below_the_tolerance_is_none(tmp_path: Path) -> None:
    run = selected(tmp_path)
    finish(run)
    edited("metrics.json", "miou", MIOU + 5e-10)(run)
    assert row_of(run)["verdict"] == "not judged"


@pytest.mark.parametrize("name", ["train.json", "metrics.json"])
@pytest.mark.parametrize("content", ["{}", "[]", "half a fi"])
def test_unreadable_files_are_named(name: str, content: str, tmp_path: Path) -> None:
    run = selected(tmp_path)
    finish(run)
    (run.folder / name).write_text(content)
    with pytest.raises(ResultsError, match=str(run.folder / name)):
        row_of(run)


def test_the_whole_is_canonical_and_names_its_document(tmp_path: Path) -> None:
    results = results_of(tmp_path)
    write_results(tmp_path / "results.json", results)
    assert (tmp_path / "results.json").read_text() == canonical_json(results)
    assert set(results) == {"scale", "published", "runs", "sha256"}
    assert results["published"] == {"file": "pointrend.md", "sha256": published().sha256}
    assert read_results(tmp_path / "results.json") == json.loads(canonical_json(results))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values that are no containers, and of the empty ones."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    found = [leaf for key, inner in items for leaf in leaves(inner, (*path, key))]
    return found or [path]


def test_the_hash_covers_every_value(tmp_path: Path) -> None:
    results = json.loads(canonical_json(results_of(tmp_path)))
    file = tmp_path / "results.json"
    paths = [path for path in leaves(results) if path != ("sha256",)]
    assert len(paths) > 100
    for path in paths:
        changed = copy.deepcopy(results)
        place = changed
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = "changed"
        assert sealed(changed)["sha256"] != results["sha256"], path
        write_json(file, changed)
        with pytest.raises(CheckFailed, match="not what its own sha256 stands for"):
            read_results(file)


def test_the_hash_is_that_of_the_rest(tmp_path: Path) -> None:
    results = results_of(tmp_path)
    rest = {key: value for key, value in results.items() if key != "sha256"}
    assert results["sha256"] == sha256_json(rest)
    assert sealed(results) == results


@pytest.mark.parametrize("content", [None, "[]", "{"])
def test_results_that_are_none_are_named(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(ResultsError, match="pointrend compare"):
        read_results(tmp_path / "results.json")
