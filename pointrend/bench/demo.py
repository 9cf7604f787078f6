"""The whole demo from nothing: its wall time against the processor time of all its processes over the cores."""

from __future__ import annotations

import os
import resource
import time

from pointrend.bench.checkout import checkout
from pointrend.bench.figures import FAST, PLAIN, Figure, Finding
from pointrend.bench.timing import Timing

NAME = "the demo: processor time over the cores (plain), wall time (fast)"


def run() -> list[Finding]:
    """Once, on all cores. A ratio of 1 would be cores that never wait."""
    cores = os.cpu_count() or 1
    with checkout() as snakemake:
        wall, before = time.perf_counter(), _children_seconds()
        snakemake()
        wall, cpu = time.perf_counter() - wall, _children_seconds() - before
    timings = {PLAIN: Timing(cpu / cores, cpu, None, 1), FAST: Timing(wall, cpu, None, 1)}
    return [Figure(NAME, "demo", 1, timings, {"cores": cores})]


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
