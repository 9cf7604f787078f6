from __future__ import annotations

import copy
import hashlib
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pointrend.errors import CheckFailed, ResultsError
from pointrend.files import canonical_json, sha256_file, sha256_json, write_json
from pointrend.results.compare import compare, judge, read_results, sealed, write_results
from pointrend.results.run_files import NOT_EVALUATED, STALE, STALE_SCORE, SelectedRun
from tests.results.runs import (
    ASSUMED,
    DATA,
    FINGERPRINT,
    MEASURES,
    MIOU,
    TRAINED,
    edit,
    finish,
    published,
    results_of,
    selected,
)

HASHED = (
    *("train.json", "metrics.jsonl", "curve.csv", "scores.json"),
    *("metrics.json", "evaluate.json", "confusion.parquet", "pictures/a.png"),
)


PICTURE = {
    **{"id": "a", "index": 0, "miou": 90.0, "shown_as": ["best"], "bytes": 7},
    "sha256": hashlib.sha256(b"picture").hexdigest(),
}


def row_of(run: SelectedRun, scale: str = "paper") -> dict[str, Any]:
    """The only row of the comparison of one run."""
    (row,) = compare(scale, [run], published(), ASSUMED)["runs"]
    return row


def test_a_comparable_run_has_a_difference_and_a_verdict(tmp_path: Path) -> None:
    run = selected(tmp_path)
    finish(run, {"a.png": b"picture"})
    reach = 1.959964 * math.sqrt(2) * 0.3
    row = row_of(run)
    assert row.pop("interval") == pytest.approx([MIOU - 69.84 - reach, MIOU - 69.84 + reach], abs=1e-6)
    low, high = row.pop("image_interval")
    assert 0 < low <= MIOU <= high <= 100
    kept = ("archives", "lock_sha256", "machine", "gpus", "nodes", "images_per_gpu", "batch_norm", "precision")
    commit = {"commit": "1" * 40, "dirty": False, "no_commit_because": None}
    assert row.pop("provenance") == {
        **{key: TRAINED[key] for key in (*kept, "checkpoint_rule")},
        **{"data_manifest_sha256": "d" * 64, "backbone_sha256": "b" * 64, "model_sha256": "a" * 64, "attempts": 2},
        "params_sha256": sha256_json(run.setting),
        "counts_sha256": sha256_file(run.folder / "confusion.parquet"),
        "code": {**commit, "train_sha256": "c" * 64, "evaluate_sha256": "5" * 64},
        "scoring": {**commit, **{key: TRAINED[key] for key in ("machine", "precision", "lock_sha256")}},
    }
    assert row == {
        **{"run": "voc_r50", "seed": 0, "kind": "trained", "evidence": "one-seed", "verdict": "below"},
        **{"miou": MIOU, "published_miou": 69.84, "difference": MIOU - 69.84, "comparable": True, "reasons": []},
        **{"n": 1, "sigma": 0.3, "sigma_source": "assumed", "paired_interval": None, "audit": None, "curve": None},
        "measures": MEASURES,
        "pictures": {"a.png": PICTURE},
        "hashes": {
            **{name: sha256_file(run.folder / name) for name in HASHED},
            **{"backbone": "b" * 64, "code": "c" * 64, "data_manifest": "d" * 64, "fingerprint": FINGERPRINT},
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
    figures = ("miou", "difference", "interval", "sigma", "measures", "provenance")
    assert all(row[name] is None for name in figures)
    assert (row["verdict"], row["evidence"], row["n"], row["seed"]) == ("not run", "inputs", 0, 3)
    assert row["published_miou"] == 78.80
    assert row["hashes"] == {"fingerprint": FINGERPRINT}
    assert row["reasons"] == []


def not_evaluated(run: SelectedRun) -> SelectedRun:
    (run.folder / "metrics.json").unlink()
    return run


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda run: replace(run, fingerprint="0" * 64), STALE),
        (lambda run: replace(run, fingerprint=""), STALE),
        (lambda run: replace(run, scoring_fingerprint="0" * 64), STALE_SCORE),
        (not_evaluated, NOT_EVALUATED),
    ],
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
    """Change one value in a JSON file of a run, and all hashes of it."""
    return lambda run: edit(run, name, **{key: value})


def written(name: str, key: str, value: Any) -> Callable[[SelectedRun], None]:
    """Change one value in a JSON file of a run, and no hash."""

    def write(run: SelectedRun) -> None:
        path = run.folder / name
        write_json(path, json.loads(path.read_text()) | {key: value})

    return write


def other_bytes(name: str) -> Callable[[SelectedRun], None]:
    """Append a byte to a file of a run."""

    def write(run: SelectedRun) -> None:
        with (run.folder / name).open("ab") as stream:
            stream.write(b"\n")

    return write


def without(name: str) -> Callable[[SelectedRun], None]:
    """Remove a file of a run."""
    return lambda run: (run.folder / name).unlink()


@pytest.mark.parametrize(
    ("spoil", "message", "again"),
    [
        (edited("metrics.json", "miou", MIOU + 2e-9), "its counts give mIoU", "evaluate"),
        (edited("metrics.json", "n_images", 3), "2 images were counted", "evaluate"),
        (edited("metrics.json", "model_sha256", "b" * 64), "scores other weights", "evaluate"),
        (edited("train.json", "model_sha256", "b" * 64), "scores other weights", "evaluate"),
        (edited("train.json", "seed", 1), "seed 1, not of", "train"),
        (edited("train.json", "run", "ade20k_r50"), "is of run ade20k_r50", "train"),
        (edited("evaluate.json", "model_sha256", "b" * 64), "evaluate.json is of another scoring", "evaluate"),
        (edited("evaluate.json", "metrics_sha256", "b" * 64), "evaluate.json is of another scoring", "evaluate"),
        (edited("evaluate.json", "data", DATA | {"pins": "demo"}), "evaluate.json names other data", "evaluate"),
        (edited("evaluate.json", "train_sha256", "b" * 64), "evaluate.json is of another training", "evaluate"),
        (edited("evaluate.json", "seed", 1), "seed 1, not of", "evaluate"),
        (edited("evaluate.json", "run", "voc_r50"), "is of run voc_r50", "evaluate"),
        (written("train.json", "gpus", 8), r"train\.json is not as it was written", "train"),
        (written("evaluate.json", "precision", {}), r"evaluate\.json is not as it was written", "evaluate"),
        (written("scores.json", "miou", 50.0), r"scores\.json does not follow from metrics\.json", "evaluate"),
        (other_bytes("curve.csv"), r"curve\.csv is not the one that train\.json names", "train"),
        (other_bytes("metrics.jsonl"), r"metrics\.jsonl is not the one that train\.json names", "train"),
        (without("evaluate.json"), r"evaluate\.json does not exist", "evaluate"),
        (other_bytes("confusion.parquet"), r"confusion\.parquet is not the one that metrics\.json names", "evaluate"),
        (without("confusion.parquet"), r"confusion\.parquet does not exist", "evaluate"),
        (without("metrics.jsonl"), r"metrics\.jsonl does not exist", "train"),
        (without("curve.csv"), r"curve\.csv does not exist", "train"),
        (without("scores.json"), r"scores\.json does not exist", "evaluate"),
    ],
)
def test_files_that_contradict_each_other_make_a_row_unverified(
    spoil: Callable[[SelectedRun], None], message: str, again: str, tmp_path: Path
) -> None:
    run = selected(tmp_path, "voc_r101", 2)
    finish(run)
    spoil(run)
    row = row_of(run)
    assert (row["verdict"], row["miou"], row["difference"], row["n"]) == ("unverified", None, None, 0)
    assert re.search(message, row["reasons"][0])
    assert "run voc_r101 seed 2" in row["reasons"][0]
    assert row["reasons"][0].endswith(f"; run `pointrend {again} voc_r101 --seed 2` again")


def test_a_difference_below_the_tolerance_is_none(tmp_path: Path) -> None:
    run = selected(tmp_path)
    finish(run)
    edited("metrics.json", "miou", MIOU + 5e-10)(run)
    assert row_of(run)["verdict"] == "below"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (other_bytes("pictures/a.png"), "pictures/a.png is not the one that metrics.json names"),
        (without("pictures/a.png"), "pictures/a.png does not exist"),
    ],
)
def test_another_or_no_picture_is_a_contradiction(
    spoil: Callable[[SelectedRun], None], message: str, tmp_path: Path
) -> None:
    run = selected(tmp_path)
    finish(run, {"a.png": b"picture"})
    spoil(run)
    row = row_of(run)
    assert (row["verdict"], message in row["reasons"][0]) == ("unverified", True)


@pytest.mark.parametrize(("ids", "images"), [(["a"], 1), (["a", "c"], 2), (["b", "a"], 2), (["a", "b", "c"], 3)])
def test_the_images_that_were_scored_are_those_that_were_prepared(ids: list[str], images: int, tmp_path: Path) -> None:
    run = selected(tmp_path)
    finish(run)
    data = DATA | {"images": {"train": 2, "val": images}, "ids_sha256": {"val": sha256_json(ids)}}
    edit(run, "train.json", data=data)
    edit(run, "evaluate.json", data=data)
    assert f"2 images were scored, which are not the {images} prepared ones" in row_of(run)["reasons"][0]


def test_equal_weights_are_one_training(tmp_path: Path) -> None:
    runs = [selected(tmp_path, seed=seed) for seed in range(4)]
    for run in runs:
        finish(run)
    for run in runs[1:3]:
        for name in ("train.json", "metrics.json", "evaluate.json"):
            edit(run, name, model_sha256="b" * 64)
    rows = compare("paper", runs, published(), ASSUMED)["runs"]
    assert [row["kind"] for row in rows] == ["trained"] * 4
    assert [row["comparable"] for row in rows] == [True, False, False, True]
    assert [row["reasons"] for row in rows[1:3]] == [
        ["its weights are those of voc_r50 seed 2"],
        ["its weights are those of voc_r50 seed 1"],
    ]


@pytest.mark.parametrize("name", ["train.json", "metrics.json"])
@pytest.mark.parametrize("content", ["{}", "[]", "half a fi"])
def test_unreadable_files_are_named(name: str, content: str, tmp_path: Path) -> None:
    run = selected(tmp_path)
    finish(run)
    (run.folder / name).write_text(content)
    with pytest.raises(ResultsError, match=str(run.folder / name)):
        row_of(run)


def judged(folder: Path, mious: dict[tuple[str, int], float | None], *reasons: str) -> list[dict[str, Any]]:
    """Rows of comparable runs and seeds that scored these; None was not run."""
    runs = [selected(folder, run, seed, *reasons) for run, seed in mious]
    for run, miou in zip(runs, mious.values(), strict=True):
        if miou is not None:
            finish(run)
    rows = compare("paper", runs, published(), ASSUMED)["runs"]
    for row, miou in zip([row for row in rows if row["kind"] == "trained"], mious.values(), strict=True):
        if row["difference"] is not None:
            row |= {"miou": miou, "difference": float(miou or 0) - row["published_miou"]}
    return judge([row for row in rows if row["kind"] == "trained"], ASSUMED)


def test_two_seeds_are_judged_each_by_itself(tmp_path: Path) -> None:
    rows = judged(tmp_path, {("voc_r50", 0): 70.0, ("voc_r50", 1): 71.0})
    assert [(row["verdict"], row["n"], row["sigma"]) for row in rows] == [("consistent", 1, 0.3), ("above", 1, 0.3)]


def test_three_seeds_measure_sigma_and_make_a_row(tmp_path: Path) -> None:
    """By hand: mean 69.90, sigma 0.1, t(0.975, 2) = 4.302653, t(0.95, 2) = 2.919986, SE = 0.1 sqrt(4/3)."""
    mious = {("voc_r50", 0): 69.8, ("voc_r50", 1): 69.9, ("voc_r50", 2): 70.0, ("voc_r50", 7): None}
    *trained, seeds = judged(tmp_path, mious)
    assert [row["kind"] for row in trained] == ["trained"] * 4
    assert trained[0]["sigma"] == pytest.approx(0.1)
    assert trained[3]["verdict"] == "not run"
    assert (seeds["kind"], seeds["seed"], seeds["n"], seeds["evidence"]) == ("seeds", None, 3, "seeds")
    assert (seeds["miou"], seeds["difference"]) == pytest.approx((69.9, 0.06))
    assert seeds["verdict"] == "reproduced"
    assert seeds["sigma"] == pytest.approx(0.1)
    assert seeds["sigma_source"] == "measured over 3 seeds, 2 degrees of freedom"
    assert seeds["interval"] == pytest.approx([0.06 - 0.496828, 0.06 + 0.496828], abs=1e-5)
    assert seeds["reasons"] == ["1 of its 4 seeds have no score that counts"]
    assert list(seeds["hashes"]) == [f"metrics.json of seed {seed}" for seed in (0, 1, 2)]


def test_sigma_is_pooled_within_a_dataset_alone(tmp_path: Path) -> None:
    voc = {("voc_r50", 0): 69.8, ("voc_r50", 1): 69.9, ("voc_r50", 2): 70.0, ("voc_r101", 0): 72.3}
    ade20k = {("ade20k_r50", 0): 37.3, ("ade20k_r50", 1): 37.8, ("ade20k_r50", 2): 38.3}
    rows = judged(tmp_path, {**voc, **ade20k, ("cityscapes_r50", 0): 76.9})
    sigma = {row["run"]: row["sigma"] for row in rows}
    assert sigma == pytest.approx({"voc_r50": 0.1, "voc_r101": 0.1, "ade20k_r50": 0.5, "cityscapes_r50": 0.3})
    assert [row["run"] for row in rows if row["kind"] == "seeds"] == ["voc_r50", "ade20k_r50"]


def test_seeds_that_are_not_comparable_measure_nothing(tmp_path: Path) -> None:
    aside = judged(tmp_path, {("voc_r50", seed): 69.8 for seed in range(3)}, "scale demo")
    assert [(row["verdict"], row["n"], row["sigma"]) for row in aside] == [("not comparable", 1, None)] * 3
    (row,) = judged(tmp_path, {("voc_r101", 0): 72.3})
    assert judge([*aside, row], ASSUMED) == [*aside, row]
    assert row["sigma"] == 0.3


def test_the_whole_is_canonical_and_names_its_document(tmp_path: Path) -> None:
    results = results_of(tmp_path)
    write_results(tmp_path / "results.json", results)
    assert (tmp_path / "results.json").read_text() == canonical_json(results)
    assert set(results) == {"scale", "published", "runs", "sha256"}
    assert results["published"] == {"file": "pointrend.md", "sha256": published().sha256, "data": published().data}
    assert read_results(tmp_path / "results.json") == json.loads(canonical_json(results))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values that are no containers, and of the empty ones."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    found = [leaf for key, inner in items for leaf in leaves(inner, (*path, key))]
    return found or [path]


def test_the_hash_covers_every_value(tmp_path: Path) -> None:
    results = json.loads(canonical_json(results_of(tmp_path)))
    assert results["sha256"] == sha256_json({key: value for key, value in results.items() if key != "sha256"})
    assert sealed(results) == results
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


@pytest.mark.parametrize("content", [None, "[]", "{"])
def test_results_that_are_none_are_named(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(ResultsError, match=r"run: pointrend --scale .* compare"):
        read_results(tmp_path / "results.json")
