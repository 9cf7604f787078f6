from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointrend.errors import CheckFailed, ResultsError
from pointrend.evaluation.counts_file import matrix_table, write_counts
from pointrend.files import canonical_json, sha256_file, sha256_json, write_json
from pointrend.results import verdict
from pointrend.results.compare import check_verdicts, compare, judge, read_results, references, sealed
from pointrend.results.run_files import NOT_EVALUATED, STALE, STALE_SCORE, UNPUBLISHED, SelectedRun
from pointrend.results.tables import headline_sentence, next_lines
from pointrend.results.verdict import headline
from pointrend.settings.params import load_params
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
    rows_of,
    selected,
)

ROOT = Path(__file__).parents[2]
HASHED = (
    *("train.json", "metrics.jsonl", "curve.csv"),
    *("metrics.json", "evaluate.json", "confusion.parquet", "matrix.parquet", "pictures/a.png"),
)
PICTURE = {
    **{"id": "a", "index": 0, "miou": 90.0, "shown_as": ["best"], "bytes": 7},
    "sha256": hashlib.sha256(b"picture").hexdigest(),
}
Change = Callable[[SelectedRun], Any]


@pytest.fixture
def run(tmp_path: Path) -> SelectedRun:
    """A finished run with a picture."""
    run: SelectedRun = selected(tmp_path, "voc_r50", 2)
    finish(run, {"a.png": b"picture"})
    return run


def test_a_comparable_run_has_a_difference_and_a_verdict(run: SelectedRun) -> None:
    reach = 1.959964 * math.sqrt(2) * 0.3 + 0.005
    (row,) = rows_of(run)
    assert row.pop("interval") == pytest.approx([MIOU - 69.84 - reach, MIOU - 69.84 + reach], abs=1e-6)
    low, high = row.pop("image_interval")
    assert 0 < low <= MIOU <= high <= 100
    kept = ("archives", "lock_sha256", "machine", "gpus", "nodes", "images_per_gpu", "batch_norm", "precision")
    commit = {"commit": "1" * 40, "dirty": False, "no_commit_because": None}
    weights = json.loads((run.folder / "train.json").read_text())["model_sha256"]
    assert row.pop("provenance") == {
        **{key: TRAINED[key] for key in (*kept, "checkpoint_rule")},
        **{"data_manifest_sha256": "d" * 64, "backbone_sha256": "b" * 64, "model_sha256": weights},
        **{"attempts": 2, "start": None, "began": "2026-11-29 12:00:00", "seconds": 7200.0},
        "params_sha256": sha256_json(run.setting),
        "counts_sha256": sha256_file(run.folder / "confusion.parquet"),
        "code": {**commit, "train_sha256": "c" * 64, "evaluate_sha256": "5" * 64},
        "scoring": {**commit, **{key: TRAINED[key] for key in ("machine", "precision", "lock_sha256")}},
    }
    assert row == {
        **{"run": "voc_r50", "seed": 2, "kind": "trained", "evidence": "one-seed", "verdict": "below"},
        **{"miou": MIOU, "published_miou": 69.84, "difference": MIOU - 69.84, "comparable": True, "reasons": []},
        **{"n": 1, "sigma": 0.3, "sigma_source": "assumed", "next": None, "p": None},
        **dict.fromkeys(("paired_interval", "audit", "curve", "sealed")),
        "validation": [[400, 41.5]],
        "measures": MEASURES,
        "pictures": {"a.png": PICTURE},
        "hashes": {
            **{name: sha256_file(run.folder / name) for name in HASHED},
            **{"backbone": "b" * 64, "code": "c" * 64, "data_manifest": "d" * 64, "fingerprint": FINGERPRINT},
            "model.safetensors": weights,
        },
        "setting": run.setting,
    }


def test_a_run_that_is_not_comparable_has_no_difference(tmp_path: Path) -> None:
    run = selected(tmp_path, "voc_r50", 0, "scale demo", "archives demo")
    finish(run)
    (row,) = rows_of(run, scale="demo")
    assert (row["miou"], row["difference"], row["verdict"]) == (MIOU, None, "not comparable")
    assert (row["comparable"], row["reasons"]) == (False, ["scale demo", "archives demo"])


def test_a_run_that_was_not_run_has_no_figure(tmp_path: Path) -> None:
    (row,) = rows_of(selected(tmp_path, "cityscapes_r101", 3))
    figures = ("miou", "difference", "interval", "sigma", "measures", "provenance")
    assert all(row[name] is None for name in figures)
    assert (row["verdict"], row["evidence"], row["n"], row["seed"]) == ("not run", "inputs", 0, 3)
    assert (row["published_miou"], row["hashes"], row["reasons"]) == (78.80, {"fingerprint": FINGERPRINT}, [])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fingerprint": "0" * 64}, STALE),
        ({"fingerprint": ""}, STALE),
        ({"scoring_fingerprint": "0" * 64}, STALE_SCORE),
        ({}, NOT_EVALUATED),
    ],
)
def test_unfinished_runs_count_as_not_run_and_say_why(change: dict[str, str], reason: str, run: SelectedRun) -> None:
    if reason == NOT_EVALUATED:
        (run.folder / "metrics.json").unlink()
    (row,) = rows_of(replace(run, reasons=("scale demo",), **change), scale="demo")  # type: ignore[arg-type]
    assert (row["miou"], row["verdict"], row["evidence"]) == (None, "not run", "inputs")
    assert row["reasons"] == [reason, "scale demo"]


def edited(name: str, **values: Any) -> Change:
    """Change values in a JSON file of a run, and all hashes of it."""
    return lambda run: edit(run, name, **values)


def written(name: str, **values: Any) -> Change:
    """Change values in a JSON file of a run, and no hash."""
    return lambda run: write_json(run.folder / name, json.loads((run.folder / name).read_text()) | values)


def other_bytes(name: str) -> Change:
    return lambda run: (run.folder / name).write_bytes((run.folder / name).read_bytes() + b"\n")


def other_matrix(run: SelectedRun) -> None:
    """A matrix of other predictions, with all hashes of it."""
    path = run.folder / "matrix.parquet"
    write_counts(path, matrix_table(np.array([[7, 2], [2, 1]])))
    edit(run, "metrics.json", matrix_sha256=sha256_file(path))


def without(name: str) -> Change:
    return lambda run: (run.folder / name).unlink()


OTHER = "b" * 64


@pytest.mark.parametrize(
    ("spoil", "message", "again"),
    [
        (edited("metrics.json", miou=MIOU + 2e-9), "its counts give mIoU", "evaluate"),
        (edited("metrics.json", n_images=3), "2 images were counted", "evaluate"),
        (edited("metrics.json", model_sha256=OTHER), "scores other weights", "evaluate"),
        (edited("train.json", model_sha256=OTHER), "scores other weights", "evaluate"),
        (edited("train.json", seed=1), "seed 1, not of", "train"),
        (edited("train.json", run="ade20k_r50"), "is of run ade20k_r50", "train"),
        (edited("evaluate.json", model_sha256=OTHER), "evaluate.json is of another scoring", "evaluate"),
        (edited("evaluate.json", metrics_sha256=OTHER), "evaluate.json is of another scoring", "evaluate"),
        (edited("evaluate.json", data=DATA | {"pins": "demo"}), "evaluate.json names other data", "evaluate"),
        (edited("evaluate.json", train_sha256=OTHER), "evaluate.json is of another training", "evaluate"),
        (edited("evaluate.json", seed=1), "seed 1, not of", "evaluate"),
        (edited("evaluate.json", run="voc_r101"), "is of run voc_r101", "evaluate"),
        (other_matrix, "gives true_positive 7 for class 0, but confusion.parquet 8", "evaluate"),
        (written("train.json", gpus=8), "train.json is not as it was written", "train"),
        (written("evaluate.json", precision={}), "evaluate.json is not as it was written", "evaluate"),
        (other_bytes("curve.csv"), "curve.csv is not the one that train.json names", "train"),
        (other_bytes("metrics.jsonl"), "metrics.jsonl is not the one that train.json names", "train"),
        (other_bytes("confusion.parquet"), "confusion.parquet is not the one that metrics.json names", "evaluate"),
        (other_bytes("matrix.parquet"), "matrix.parquet is not the one that metrics.json names", "evaluate"),
        (other_bytes("pictures/a.png"), "pictures/a.png is not the one that metrics.json names", "evaluate"),
        *(
            (without(name), f"{name} does not exist", verb)
            for verb, names in {
                "evaluate": ("evaluate.json", "confusion.parquet", "matrix.parquet", "pictures/a.png"),
                "train": ("metrics.jsonl", "curve.csv"),
            }.items()
            for name in names
        ),
    ],
)
def test_files_that_contradict_each_other_make_a_row_unverified(
    spoil: Change, message: str, again: str, run: SelectedRun
) -> None:
    spoil(run)
    (row,) = rows_of(run)
    assert (row["verdict"], row["miou"], row["difference"], row["n"]) == ("unverified", None, None, 0)
    assert message in row["reasons"][0]
    assert "run voc_r50 seed 2" in row["reasons"][0]
    assert row["reasons"][0].endswith(f"; run `pointrend {again} voc_r50 --seed 2` again")


@pytest.mark.parametrize("miou", ["NaN", '"</script>"', "null", "[1]"])
def test_a_look_at_val_is_a_number(miou: str, run: SelectedRun) -> None:
    log = run.folder / "metrics.jsonl"
    log.write_text(log.read_text() + f'{{"iteration": 8, "validation_miou": {miou}}}\n')
    curves = {name: sha256_file(run.folder / name) for name in ("metrics.jsonl", "curve.csv")}
    edit(run, "train.json", curves=curves)
    (row,) = rows_of(run)
    assert row["verdict"] == "unverified"
    assert "has a validation_miou that is not a number" in row["reasons"][0]


def test_a_difference_below_the_tolerance_is_none(run: SelectedRun) -> None:
    edit(run, "metrics.json", miou=MIOU + 5e-10)
    assert rows_of(run)[0]["verdict"] == "below"


@pytest.mark.parametrize("ids", [["a"], ["a", "c"], ["b", "a"], ["a", "b", "c"]])
def test_the_images_that_were_scored_are_those_that_were_prepared(ids: list[str], run: SelectedRun) -> None:
    data = DATA | {"images": {"train": 2, "val": len(ids)}, "ids_sha256": {"val": sha256_json(ids)}}
    edit(run, "train.json", data=data)
    edit(run, "evaluate.json", data=data)
    assert f"2 images were scored, not the {len(ids)} prepared ones" in rows_of(run)[0]["reasons"][0]


def test_equal_weights_are_one_training(tmp_path: Path) -> None:
    runs = [selected(tmp_path, seed=seed) for seed in range(4)]
    for run in runs:
        finish(run)
    for run in runs[1:3]:
        for name in ("train.json", "metrics.json", "evaluate.json"):
            edit(run, name, model_sha256="b" * 64)
    rows = rows_of(*runs)
    assert [(row["kind"], row["comparable"], row["reasons"]) for row in rows] == [
        ("trained", True, []),
        ("trained", False, ["its weights are those of voc_r50 seed 2"]),
        ("trained", False, ["its weights are those of voc_r50 seed 1"]),
        ("trained", True, []),
    ]


@pytest.mark.parametrize("name", ["train.json", "metrics.json"])
@pytest.mark.parametrize("content", ["{}", "[]", "half a fi"])
def test_unreadable_files_are_named(name: str, content: str, run: SelectedRun) -> None:
    (run.folder / name).write_text(content)
    with pytest.raises(ResultsError, match=str(run.folder / name)):
        rows_of(run)


def judged(folder: Path, mious: dict[tuple[str, int], float | None], *reasons: str) -> list[dict[str, Any]]:
    """Rows of comparable runs and seeds that scored these; None was not run."""
    runs = [selected(folder, run, seed, *reasons) for run, seed in mious]
    for run, miou in zip(runs, mious.values(), strict=True):
        if miou is not None:
            finish(run)
    rows = [row for row in rows_of(*runs) if row["kind"] == "trained"]
    for row, miou in zip(rows, mious.values(), strict=True):
        if row["difference"] is not None:
            row |= {"miou": miou, "difference": float(miou or 0) - row["published_miou"]}
    return judge(rows, ASSUMED)


def test_two_seeds_are_judged_each_by_itself(tmp_path: Path) -> None:
    rows = judged(tmp_path, {("voc_r50", 0): 70.0, ("voc_r50", 1): 71.0})
    assert [(row["verdict"], row["n"], row["sigma"]) for row in rows] == [("consistent", 1, 0.3), ("above", 1, 0.3)]


def test_three_seeds_of_four_make_a_row(tmp_path: Path) -> None:
    """By hand: mean 69.90, s = 0.1; share 1/4 / 1.15, t(1 - 0.025 0.2174, 2) = 9.513, SE = 0.1 sqrt(4/3)."""
    mious = {("voc_r50", 0): 69.8, ("voc_r50", 1): 69.9, ("voc_r50", 2): 70.0, ("voc_r50", 7): None}
    *trained, seeds = judged(tmp_path, mious)
    assert [row["kind"] for row in trained] == ["trained"] * 4
    assert (trained[0]["sigma"], trained[3]["verdict"]) == (0.3, "not run")
    assert (seeds["kind"], seeds["seed"], seeds["n"], seeds["evidence"]) == ("seeds", None, 3, "seeds")
    assert (seeds["miou"], seeds["difference"], seeds["sigma"]) == pytest.approx((69.9, 0.06, 0.1))
    assert (seeds["verdict"], seeds["next"]) == ("reproduced", "stop")
    assert seeds["interval"] == pytest.approx([0.06 - 1.1035, 0.06 + 1.1035], abs=1e-3)
    assert seeds["reasons"] == ["1 of its 4 planned seeds have no score that counts yet"]
    assert list(seeds["hashes"]) == [f"metrics.json of seed {seed}" for seed in (0, 1, 2)]
    rows = [*trained, seeds]
    assert next_lines({"runs": rows}) == ["voc_r50, 3 of 4 seeds: reproduced, stop"]
    sentence = headline_sentence({"headline": headline(rows), "runs": rows})
    assert sentence == "1 of 1 reproduced, 0 below or above"  # p 0.034
    single = [{"run": run, "kind": "trained", "verdict": "consistent"} for run in ("voc_r50", "voc_r101")]
    sentence = headline_sentence({"headline": headline(rows), "runs": [*rows, *single]})
    assert sentence.endswith("; 1 with one training each, too few to tell")


def test_seeds_count_in_their_planned_order_up_to_the_first_without_a_score(tmp_path: Path) -> None:
    """Otherwise the seeds that ended early, or the shown ones, would decide."""
    mious = {("voc_r50", 0): 69.8, ("voc_r50", 1): 69.9, ("voc_r50", 2): 70.0, ("voc_r50", 3): 71.0}
    trained = [row for row in judged(tmp_path, mious) if row["kind"] == "trained"]

    def whole(order: list[int]) -> Any:
        rows = judge([row | {"sealed": {"seeds": order}} for row in trained], ASSUMED)
        return next((row for row in rows if row["kind"] == "seeds"), None)

    seeds = whole([3, 1, 0, 9, 2, 8])  # of six, the three before seed 9, which has no row
    assert (seeds["n"], seeds["miou"]) == (3, pytest.approx((71.0 + 69.9 + 69.8) / 3))
    assert seeds["reasons"] == ["3 of its 6 planned seeds have no score that counts yet"]
    differences = [mious["voc_r50", seed] - 69.84 for seed in (3, 1, 0)]
    assert seeds["interval"] == pytest.approx(verdict.seeds(differences, 6, ASSUMED["voc_r50"]).interval)
    assert whole([3, 9, 1, 0, 2]) is None
    assert whole([0, 1, 2, 3])["n"] == 4


def test_no_run_is_pooled_with_another(tmp_path: Path) -> None:
    voc = {("voc_r50", 0): 69.8, ("voc_r50", 1): 69.9, ("voc_r50", 2): 70.0}
    both = judged(tmp_path, {**voc, **{("voc_r101", seed): 71.3 + seed for seed in range(3)}})
    assert [row for row in both if row["run"] == "voc_r50"] == judged(tmp_path, voc)


def test_seeds_that_are_not_comparable_measure_nothing(tmp_path: Path) -> None:
    aside = judged(tmp_path, {("voc_r50", seed): 69.8 for seed in range(3)}, "scale demo")
    assert [(row["verdict"], row["n"], row["sigma"]) for row in aside] == [("not comparable", 1, None)] * 3
    (row,) = judged(tmp_path, {("voc_r101", 0): 72.3})
    assert judge([*aside, row], ASSUMED) == [*aside, row]
    assert row["sigma"] == 0.3


def test_the_demo_is_judged_by_the_spread_of_the_original_itself(tmp_path: Path) -> None:
    """By hand: 48.8636 - 78.5286, and t(0.975, 3) = 3.182446 times 7.355816 sqrt(1 + 1/4)."""
    demo, params = published("demo"), load_params(ROOT / "params.yaml")
    runs = [selected(tmp_path, "voc_r50", seed) for seed in range(3)]
    for run in runs:
        finish(run)
    results = compare("demo", runs, demo, references(params, demo))
    one, *_, whole = results["runs"]
    assert (one["published_miou"], one["verdict"], one["n"]) == (pytest.approx(78.528575), "below", 1)
    assert (one["sigma"], one["sigma_source"]) == (
        pytest.approx(7.355816, abs=1e-6),
        "4 trainings of the original, 3 degrees of freedom",
    )
    assert one["interval"] == pytest.approx([-29.664939 - 26.172602, -29.664939 + 26.172602], abs=1e-5)
    assert (whole["kind"], whole["n"], whole["verdict"]) == ("seeds", 3, "below")
    check_verdicts(results, demo, references(params, demo))
    with pytest.raises(CheckFailed, match="verdicts do not follow"):
        check_verdicts(results, demo, references(params, published()))
    other = selected(tmp_path, "voc_r18")
    finish(other)
    (row,) = compare("demo", [other], demo, references(params, demo))["runs"]
    assert (row["verdict"], row["reasons"]) == ("not comparable", [UNPUBLISHED])


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values that are no containers, and of the empty ones."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [leaf for key, inner in items for leaf in leaves(inner, (*path, key))] or [path]


def test_the_whole_is_canonical_and_its_hash_covers_every_value(tmp_path: Path) -> None:
    file, results = tmp_path / "results.json", json.loads(canonical_json(results_of(tmp_path)))
    assert set(results) == {"scale", "published", "headline", "runs", "sha256"}
    assert results["published"] == {"file": "pointrend.md", "sha256": published().sha256, "data": published().data}
    write_json(file, results)
    assert read_results(file) == sealed(results) == results
    paths = [path for path in leaves(results) if path != ("sha256",)]
    assert len(paths) > 100
    for path in paths:
        changed = copy.deepcopy(results)
        place = changed
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = "changed"
        write_json(file, changed)
        with pytest.raises(CheckFailed, match="does not match its own sha256"):
            read_results(file)


@pytest.mark.parametrize("content", [None, "[]", "{"])
def test_results_that_are_none_are_named(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(ResultsError, match=r"run: pointrend --scale .* compare"):
        read_results(tmp_path / "results.json")
