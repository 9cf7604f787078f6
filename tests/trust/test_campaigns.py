"""Each campaign for a short while: ten kills, four takeovers, 2,000 iterations; `make reliability` runs them long."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.trust import kills, takeovers
from tests.trust.campaign import content
from tests.trust.endless import Observation
from tests.trust.ground import ROOT

KILLS, TAKEOVERS, ITERATIONS = 10, 4, 2000
FINE = Observation(2000, 10.0, (9, 9), 225.5, 240, 2)


def test_what_was_killed_and_started_again_gives_what_a_calm_machine_gives(tmp_path: Path) -> None:
    campaign = kills.Campaign(tmp_path, seed=7)
    campaign.run(KILLS, most_in_a_row=2)
    assert campaign.defects == []
    assert sum(tally.kills for tally in campaign.tallies.values()) == KILLS
    assert sum(tally.at_work for tally in campaign.tallies.values()) >= KILLS // 2
    table = campaign.table()
    for stage in kills.STAGES:
        assert f"| `{stage}` |" in table


@pytest.mark.parametrize(
    ("name", "one", "other", "equal"),
    [
        ("train.json", '{"seconds": 1, "seed": 0}', '{"seconds": 2, "seed": 0}', True),
        ("train.json", '{"seconds": 1, "seed": 0}', '{"seconds": 1, "seed": 1}', False),
        ("metrics.jsonl", '{"memory_mb": 1, "loss": 0}', '{"memory_mb": 2, "loss": 0}', True),
        ("metrics.jsonl", '{"loss": 1}', '{"loss": 2}', False),
        ("results.json", f'"train.json": "{"a" * 64}"', f'"train.json": "{"b" * 64}"', True),
        ("results.json", f'"model.safetensors": "{"a" * 64}"', f'"model.safetensors": "{"b" * 64}"', False),
        ("metrics.json", "1", "2", False),
    ],
)
def test_times_alone_may_differ(tmp_path: Path, name: str, one: str, other: str, equal: bool) -> None:
    def said(text: str) -> object:
        (tmp_path / name).write_text(text)
        return content(tmp_path / name)

    assert (said(one) == said(other)) == equal


def test_trainings_that_change_hands_are_as_undisturbed_ones(tmp_path: Path) -> None:
    campaign = takeovers.Campaign(tmp_path, seed=5)
    campaign.run(TAKEOVERS)
    assert campaign.tally.defects == []
    assert campaign.tally.tried == TAKEOVERS
    assert campaign.tally.noticed >= TAKEOVERS // 2
    assert f"| takeovers | {TAKEOVERS} |" in campaign.table()


def test_2000_iterations_leave_memory_handles_and_disk_as_they_are() -> None:
    command = [sys.executable, "-m", "tests.trust.endless", str(ITERATIONS)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, (ran.stdout, ran.stderr[-3000:])
    seen = Observation(**json.loads(ran.stdout))
    assert seen.iterations == ITERATIONS
    assert seen.record_bytes > 0
    assert FINE.defects() == []


@pytest.mark.parametrize(
    "change",
    [
        {"memory_bytes_an_iteration": 1024.0},
        {"file_handles": (9, 10)},
        {"longest_record_bytes": 401},
        {"checkpoints": 1},
        {"checkpoints": 3},
    ],
    ids=str,
)
def test_what_grows_is_a_defect(change: dict[str, Any]) -> None:
    assert len(dataclasses.replace(FINE, **change).defects()) == 1
