"""What a command typed by hand has overwritten, and older files in place of newer ones, are noticed by both engines."""

import json
import os
import re
from collections.abc import Callable

import pytest

from pointrend.engines import records
from pointrend.engines.records import Records, wanted_results
from pointrend.files import SEAL, sha256_json
from pointrend.settings.project import Project
from tests.engines.test_missing import RUN, RUN_AGAIN, SCORE
from tests.engines.test_situations import TABLES
from tests.workflow.checkout import Checkout


def older(file: str, change: Callable[[bytes], bytes]) -> Callable[[Checkout], None]:
    """Other bytes under an old time, as `rsync -a` leaves them."""

    def put(checkout: Checkout) -> None:
        path = checkout.root / file
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(change(content))
        os.utime(path, (1e9, 1e9))

    return put


def last_bit(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def of_value(key: str, value: object) -> Callable[[bytes], bytes]:
    """Another value, with the record's own hash made anew."""

    def change(content: bytes) -> bytes:
        record = json.loads(content) | {key: value}
        if record.pop(SEAL, None):
            record[SEAL] = sha256_json(record)
        return json.dumps(record).encode()

    return change


OLDER = [
    # file, how it is changed, what Snakemake does, what it says
    ("data/demo/archives/voc/benchmark.tgz", last_bit, {"fetch voc"}, "benchmark.tgz is not the one that"),
    ("data/demo/archives/voc.json", of_value("set", "official"), {"fetch voc"}, "is of the archives official, not"),
    ("data/demo/voc/val.index.json", last_bit, {"prepare voc"}, "val.index.json is not the one that"),
    (f"{RUN}/model.safetensors", last_bit, RUN_AGAIN, "model.safetensors is not the one that"),
    (f"{RUN}/train.json", of_value("fingerprint", "0"), RUN_AGAIN, "train.json is of other data or weights"),
    (f"{RUN}/train.json", of_value("seconds", 1.5), SCORE, f"train.json is not the one that {RUN}/evaluate.json names"),
    (f"{RUN}/metrics.json", of_value("miou", 99.0), SCORE, "metrics.json is not the one that"),
    (f"{RUN}/confusion.parquet", last_bit, SCORE, "confusion.parquet is not the one that"),
    (f"{RUN}/evaluate.json", of_value("fingerprint", "0"), SCORE, "evaluate.json is of other data or weights"),
    (f"{RUN}/evaluate.json", lambda content: content[:99], SCORE, "a record of evaluate voc_r50 seed 0 cannot be read"),
    (f"{RUN}/curve.csv", last_bit, TABLES, "curve.csv is not the one that results/demo/results.json names"),
    ("results/demo/results.json", of_value("runs", [{"kind": "?"}]), TABLES, "a record of compare cannot be read"),
    ("results/demo/README.md", lambda _: b"old", {"report", "track sync"}, "README.md is of another results.json"),
]


@pytest.mark.parametrize(("file", "change", "expected", "reason"), OLDER)
def test_older_files_in_place_of_newer_ones_are_noticed(by_snakemake, file, change, expected, reason):
    path = by_snakemake.root / file
    times, before = path.stat(), path.read_bytes()
    try:
        older(file, change)(by_snakemake)
        assert expected <= planned_because(by_snakemake, reason)
    finally:
        path.write_bytes(before)
        os.utime(path, (times.st_atime, times.st_mtime))


def planned_because(checkout: Checkout, reason: str) -> set[str]:
    """What Snakemake would run, having named the ``reason``."""
    printed = checkout.run("snakemake", "--cores", "2", "-n", "-p")
    told = [line for line in printed.splitlines() if line.startswith("out of date: ")]
    assert any(reason in line for line in told)
    assert len(told) == len(set(told))
    return set(re.findall(r"^Shell command: pointrend --scale demo (.*)$", printed, re.MULTILINE))


STEPS = "another setting: subdivision_steps 0, now 2"


@pytest.mark.parametrize(
    ("command", "expected", "reason"),
    [
        ("--set lr=0.5 train voc_r50", RUN_AGAIN, f"{RUN}/train.json is of another setting: lr 0.5, now 0.06"),
        ("--set subdivision_steps=0 evaluate voc_r50", SCORE, f"{RUN}/evaluate.json is of {STEPS}"),
        ("--set lr=0.5 compare", TABLES, f"results/demo/results.json lacks the score in {RUN}"),
    ],
)
def test_what_was_typed_by_hand_with_another_setting_is_made_again(dvc_told, tmp_path, command, expected, reason):
    checkout = dvc_told.copy(tmp_path / "pointrend")
    checkout.run("pointrend", *command.split())
    (first, *_) = sorted(expected - TABLES, reverse=True) or ["compare"]
    assert first in checkout.commands("dvc")
    checkout.run("snakemake", "--cores", "2", "--touch")  # does not make it true
    assert planned_because(checkout, reason) == expected
    checkout.snakemake()
    assert checkout.commands("snakemake") == set()
    record = json.loads((checkout.root / RUN / "evaluate.json").read_text())
    assert (record["setting"]["recipe"]["lr"], record["setting"]["recipe"]["subdivision_steps"]) == (0.06, 2)
    verdicts = [row["miou"] for row in json.loads((checkout.root / "results/demo/results.json").read_text())["runs"]]
    assert None not in verdicts


def test_nothing_is_wrong_with_what_an_engine_has_made(by_snakemake, by_dvc):
    for checkout in (by_snakemake, by_dvc):
        project = Project.load(checkout.root / "params.yaml")
        asked = list(wanted_results(project))
        assert {stage for stage, _, _ in asked} == {"fetch", "prepare", "train", "evaluate", "compare", "report"}
        assert [Records(project).fault(*which) for which in asked] == [None] * len(asked)


def test_large_files_are_read_only_where_that_is_asked_for(by_snakemake, tmp_path, monkeypatch):
    checkout = by_snakemake.copy(tmp_path / "pointrend")
    older(f"{RUN}/model.safetensors", last_bit)(checkout)
    project = Project.load(checkout.root / "params.yaml")
    assert Records(project, most=100_000).fault("train", "voc_r50", 0) is None
    assert Records(project, most=records.SMALL).fault("train", "voc_r50", 0) is not None
    older("data/demo/voc/val.pictures.bin", lambda content: content + b"1")(checkout)
    said = "data/demo/voc/val.pictures.bin is not the one that data/demo/voc/manifest.json names"
    assert Records(project, most=0).fault("prepare", "voc") == said
