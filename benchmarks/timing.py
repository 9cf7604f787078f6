"""Time several ways of doing the same thing side by side, interleaved, so that a busy machine slows all of them."""

from __future__ import annotations

import gc
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

REPEATS = 5
PROCESS = Path("/proc/self")


@dataclass(frozen=True)
class Timing:
    """Medians over the runs of one candidate."""

    median_s: float  # wall time in seconds
    cpu_s: float  # processor time of all threads in seconds; other users of the machine hardly change it
    peak_mb: float | None  # how far the peak of resident memory was above its start; None where Linux is missing
    runs: int


def interleaved(candidates: Mapping[str, Callable[[], object]], repeats: int = REPEATS) -> dict[str, Timing]:
    """Run every candidate once to warm up, then ``repeats`` times in turn, every other round in reverse order.

    A candidate that works on a GPU must wait for it (torch.cuda.synchronize) before it returns.
    """
    measured: dict[str, list[tuple[float, float, float | None]]] = defaultdict(list)
    for run in candidates.values():
        run()
    for round_ in range(repeats):
        names = list(candidates)
        for name in reversed(names) if round_ % 2 else names:
            measured[name].append(_measured(candidates[name]))
    return {name: _medians(measured[name]) for name in candidates}


def _measured(run: Callable[[], object]) -> tuple[float, float, float | None]:
    """Wall time, processor time and memory of one run."""
    gc.collect()
    before = _clear_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return wall, cpu, None if before is None else max(0.0, _status_mb("VmHWM") - before)


def _medians(runs: list[tuple[float, float, float | None]]) -> Timing:
    walls, cpus, peaks = zip(*runs, strict=True)
    peak = None if None in peaks else statistics.median(peaks)
    return Timing(statistics.median(walls), statistics.median(cpus), peak, len(runs))


def _clear_peak() -> float | None:
    """Reset the peak of resident memory; return the resident memory in MB."""
    try:
        (PROCESS / "clear_refs").write_text("5")
        return _status_mb("VmRSS")
    except OSError:
        return None


def _status_mb(key: str) -> float:
    lines = (PROCESS / "status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{key}:"))
