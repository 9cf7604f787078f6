"""What is sent: the curves in metrics files, also in one that is being written; and which models are registered."""

import os
from typing import Any

import pytest

from pointrend.settings.project import Project
from pointrend.tracking.content import (
    Point,
    curve_points,
    finished_files,
    growing_files,
    metric_name,
    note,
    read_records,
)
from pointrend.tracking.registry import alias_for
from tests.tracking.projects import FINGERPRINT, consistent, finish, growing, records, row, spool


def test_half_lines_and_lines_that_are_no_records_are_passed_over(tmp_path):
    path = spool(tmp_path / "metrics.jsonl", records(1, 2), '{"iteration": 3, "loss": 1.0}\n[4]\n{"iterat\n')
    with open(path, "a") as stream:
        stream.write('{"iteration": 5, "time": 1.0}\n{"iteration": 6, "time": 2.0}')
    assert [record["iteration"] for record in read_records(path)] == [1, 2, 5]


def test_a_record_becomes_one_point_a_curve_at_its_own_time():
    record = {"iteration": 50, "time": 1700000000.1234, "loss": 2, "note": "text", "ok": True, "memory_mb": 9}
    assert list(curve_points([record])) == [
        *(Point(name, value, 50, 1700000000123) for name, value in (("train/loss", 2.0), ("system/memory_mb", 9.0)))
    ]


def test_what_mlflow_does_not_take_in_a_name_is_replaced():
    assert metric_name("val", "iou", "chest of drawers; (a/b)") == "val/iou/chest of drawers_ _a_b_"


def test_finished_trainings_are_those_with_a_record(root):
    for run, seed in (("voc_r50", 0), ("voc_r50", 10), ("voc_r50", 2), ("voc_r101", 0)):
        finish(root, run, seed)
    (root / "runs/demo/voc_r50-s2/train.json").unlink()
    spool(root / "runs/demo/voc_r50-released/metrics.jsonl", records(1, 1))
    spool(root / "runs/demo/other_r50-s0/metrics.jsonl", records(1, 1))
    found = finished_files(Project.load(root / "params.yaml"))
    assert [(one.run, one.seed, one.fingerprint) for one in found] == [
        (run, seed, FINGERPRINT[:16]) for run, seed in (("voc_r50", 0), ("voc_r50", 10), ("voc_r101", 0))
    ]


def test_of_several_fingerprints_the_last_written_grows(root):
    for age, fingerprint in ((10, "a" * 16), (0, "b" * 16), (20, "c" * 16)):
        path = spool(growing(root, fingerprint=fingerprint), records(1, 1))
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age))
    (found,) = growing_files(Project.load(root / "params.yaml"))
    assert (str(found), found.fingerprint) == ("voc_r50 seed 0", "b" * 16)


def whole(verdict: str) -> dict[str, Any]:
    return row(seed=None, kind="seeds", verdict=verdict)


@pytest.mark.parametrize(
    ("rows", "alias", "seeds"),
    [
        ([row()], None, []),
        ([row(verdict="unverified")], None, []),
        ([row(verdict="below"), row(seed=None, kind="released", verdict="matches")], None, []),
        ([consistent()], "consistent", [0]),
        ([consistent(setting={"scale": "demo"})], None, []),
        ([consistent(), row(seed=1, verdict="above"), consistent(seed=2)], "consistent", [0, 2]),
        ([consistent(), consistent(seed=1), whole("insufficient")], "consistent", [0, 1]),
        ([consistent(), consistent(seed=1), whole("reproduced")], "reproduced", [0, 1]),
        ([consistent(), consistent(seed=1), whole("below")], None, []),
        ([consistent(), whole("above")], None, []),
        ([], None, []),
    ],
)
def test_what_a_model_may_be_called(rows, alias, seeds):
    assert alias_for(rows) == (alias, seeds)


@pytest.mark.parametrize(("scale", "whose"), [("demo", "original"), ("paper", "published")])
def test_a_description_says_whose_figure_ours_is_beside(scale: str, whose: str) -> None:
    assert f"* {whose}: 69.84%" in note(consistent(setting={"scale": scale})).splitlines()
