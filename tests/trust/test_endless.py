"""A training of thousands of iterations takes no more memory, handles or disk than one of hundreds."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.trust.ground import ROOT

ITERATIONS = 2000
MOST_RECORD_BYTES = 400
"""Of metrics.jsonl; docs/reliability.md says what that makes of a whole run."""


def test_2000_iterations_leave_memory_handles_and_disk_as_they_are() -> None:
    command = [sys.executable, "-m", "tests.trust.endless", str(ITERATIONS)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    seen = json.loads(ran.stdout)
    assert seen["iterations"] == ITERATIONS
    assert seen["memory_bytes_an_iteration"] < 1024
    assert seen["file_handles"][0] == seen["file_handles"][1]
    assert seen["longest_record_bytes"] <= MOST_RECORD_BYTES
    assert seen["checkpoints"] == 2
