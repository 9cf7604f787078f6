"""Each campaign for a short while: a kill of every stage, 2,000 iterations; `make reliability` runs them long."""

import json
import subprocess
import sys

from tests.trust import kills
from tests.trust.ground import ROOT

KILLS, ITERATIONS = 6, 2000


def test_what_was_killed_and_started_again_gives_what_a_calm_machine_gives(tmp_path):
    tallies = kills.campaign(tmp_path, KILLS, seed=7, most_in_a_row=1).values()
    assert [defect for tally in tallies for defect in tally.defects] == []
    assert sum(tally.kills for tally in tallies) == KILLS
    assert sum(tally.at_work for tally in tallies) >= KILLS // 2


def test_2000_iterations_leave_memory_handles_and_disk_as_they_are():
    command = [sys.executable, "-m", "tests.trust.endless", str(ITERATIONS)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    seen = json.loads(ran.stdout)
    fewest, most = seen["file_handles"]
    assert seen["iterations"] == ITERATIONS
    assert seen["memory_bytes_an_iteration"] < 1024
    assert fewest == most
    assert seen["longest_record_bytes"] <= 400
    assert seen["checkpoints"] == 2
