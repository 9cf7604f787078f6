"""A training of thousands of iterations takes no more memory, handles or disk than one of hundreds."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from typing import Any

import pytest

from tests.trust.endless import Observation
from tests.trust.ground import ROOT

ITERATIONS = 2000
FINE = Observation(2000, 10.0, (9, 9), 225.5, 240, 2)


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
