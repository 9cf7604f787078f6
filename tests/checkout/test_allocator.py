"""Freed memory is used again without asking the system for it."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import resource, sys
import numpy as np
from pointrend.checkout import allocator

getattr(allocator, sys.argv[1])()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    before = faults()
    np.empty(100_000_000, np.uint8).fill(1)
print(faults() - before)
"""


def page_faults(way: str) -> int:
    """Of filling 100 MB that were freed just before."""
    command = [sys.executable, "-c", SCRIPT, way]
    return int(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)


def test_freed_memory_is_kept() -> None:
    assert page_faults("keep_freed_memory") < 10


def test_and_is_returned_for_comparison() -> None:
    """A page fault a page, or one for two megabytes where the system has huge pages."""
    assert page_faults("return_freed_memory") > 40
