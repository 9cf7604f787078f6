"""Timing the plain path and the fast one side by side: interleaved, so that a busy machine slows both alike."""

from __future__ import annotations

import gc
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

REPEATS = 5
CLEAR_PEAK = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Timing:
    """What a candidate took: medians over its runs."""

    median_s: float
    """Wall time of a run in seconds."""
    cpu_s: float
    """Processor time of a run in seconds: all threads, and child processes that have ended. A shared machine leaves it
    nearly alone."""
    peak_mb: float | None
    """By how much a run raised this process's resident memory at its peak, MB; None where the system does not tell."""
    runs: int


def interleaved(candidates: Mapping[str, Callable[[], object]], repeats: int = REPEATS) -> dict[str, Timing]:
    """Run every candidate once to warm up, then ``repeats`` times in turn, every other round in reverse order.

    A candidate that works on a GPU must wait for it (torch.cuda.synchronize) before it returns.
    """
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in candidates}
    peaks: dict[str, list[float | None]] = {name: [] for name in candidates}
    for run in candidates.values():
        run()
    for round_ in range(repeats):
        names = list(candidates)
        for name in reversed(names) if round_ % 2 else names:
            gc.collect()
            before = _clear_peak()
            wall, cpu = time.perf_counter(), _cpu_seconds()
            candidates[name]()
            seconds[name].append((time.perf_counter() - wall, _cpu_seconds() - cpu))
            peaks[name].append(_peak_since(before))
    return {
        name: Timing(
            median_s=statistics.median(wall for wall, _ in seconds[name]),
            cpu_s=statistics.median(cpu for _, cpu in seconds[name]),
            peak_mb=_median(peaks[name]),
            runs=repeats,
        )
        for name in candidates
    }


def _cpu_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _clear_peak() -> float | None:
    """Forget the peak of resident memory so far; the resident memory now, in MB."""
    try:
        CLEAR_PEAK.write_text("5")
        return _status_mb("VmRSS")
    except OSError:
        return None


def _peak_since(before: float | None) -> float | None:
    return None if before is None else max(0.0, _status_mb("VmHWM") - before)


def _status_mb(key: str) -> float:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1]) / 1024


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
