"""Freed memory is used again without asking the system for it."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource
import numpy as np
from pointrend.checkout.machine import keep_freed_memory
{keep}
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    before = faults()
    np.empty(100_000_000, np.uint8).fill(1)
print(faults() - before)
"""


@pytest.mark.parametrize("keep", ["keep_freed_memory()", ""])
def test_freed_memory_is_kept(keep):
    """Where it is returned, there is one page fault per page, or one per 2 MB where the system has huge pages."""
    command = [sys.executable, "-c", SCRIPT.format(keep=keep)]
    faults = int(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)
    assert faults < 10 if keep else faults > 40
