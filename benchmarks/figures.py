"""Times of several ways to do the same thing, as a JSON record in this folder and as a table in docs/performance.md.

The ways take turns, so that a busy machine slows all of them.
"""

from __future__ import annotations

import datetime
import gc
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from pointrend.checkout.machine import machine_record
from pointrend.engines.estimates import processor_name
from pointrend.files import write_json, write_text

PLAIN, FAST = "plain", "fast"  # the two candidates of a ratio: the obvious way to do it, and ours
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


@dataclass(frozen=True)
class Figure:
    """One task, timed in several ways; each run of it handled ``count`` things of the kind ``unit``.

    ``facts`` are the settings that the figure holds for, for example ``{"run": "voc_r50", "images": 4}``.
    """

    name: str
    unit: str
    count: int
    timings: Mapping[str, Timing]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """The figure with milliseconds per unit, and how many times faster than the plain way ours is."""
        milliseconds = {name: 1e3 * timing.median_s / self.count for name, timing in self.timings.items()}
        plain, fast = self.timings.get(PLAIN), self.timings[FAST]
        wall, cpu = plain and plain.median_s / fast.median_s, plain and plain.cpu_s / max(fast.cpu_s, 1e-9)
        return {**asdict(self), "milliseconds": milliseconds, "ratio": wall, "cpu_ratio": cpu}


@dataclass(frozen=True)
class Growth:
    """How ``name``, in ``unit``, changes with the number of ``over``: values by that number, as text."""

    name: str
    unit: str
    over: str
    values: Mapping[str, float]


Finding = Figure | Growth


def record_of(what: str, findings: Sequence[Finding], device: torch.device) -> dict[str, Any]:
    """The record of a benchmark that ran on ``device``: date, machine (without its host name) and findings."""
    machine = machine_record(device) | {"processor": processor_name()}
    return {
        "bench": what,
        "date": datetime.date.today().isoformat(),
        "machine": machine | {"name": machine["device"] if device.type == "cuda" else machine["processor"]},
        "figures": [finding.record() for finding in findings if isinstance(finding, Figure)],
        "growth": [asdict(finding) for finding in findings if isinstance(finding, Growth)],
    }


def save(record: dict[str, Any], folder: Path, page: Path) -> None:
    """Write ``<what>_<machine>_<date>.json`` into ``folder``, and the table between its markers in ``page``."""
    slug = re.sub(r"[^a-z0-9]+", "-", record["machine"]["name"].lower()).strip("-")
    write_json(folder / f"{record['bench']}_{slug}_{record['date']}.json", record)
    write_between(page, record["bench"], table(record))


def write_between(page: Path, name: str, text: str) -> None:
    """Write ``text`` between the two markers of ``name`` in a page."""
    begin, end = (f"<!-- bench:{name}:{place} -->" for place in ("begin", "end"))
    before, rest = page.read_text(encoding="utf-8").split(begin)
    write_text(page, f"{before}{begin}\n{text}{end}{rest.split(end)[1]}")


def table(record: dict[str, Any]) -> str:
    """The record as Markdown: the machine, one table of figures, one table per growth."""
    of = record["machine"]
    gpu = "" if of["name"] == of["processor"] else f"{of['name']}, "
    versions = f"Python {of['python']}, torch {of['torch']}, OpenCV {of['opencv']}"
    lines = [f"{record['date']}, {gpu}{of['processor']} ({of['cores']} cores), {versions}.\n"]
    lines.append(_row("what", "plain, ms", "fast, ms", "ratio", "ratio of CPU time", "memory, plain and fast"))
    lines += ["|-" * 6 + "|", *map(_figure_row, record["figures"])]
    for growth in record["growth"]:
        numbers, values = zip(*growth["values"].items(), strict=True)
        lines += ["", _row(f"{growth['name']}, {growth['unit']}, over {growth['over']}", *numbers)]
        lines += ["|-" * (len(numbers) + 1) + "|", _row("", *map(_number, values))]
    return "\n".join(lines) + "\n"


def _figure_row(figure: dict[str, Any]) -> str:
    times = [_number(figure["milliseconds"].get(name)) for name in (PLAIN, FAST)]
    ratios = ["–" if figure[key] is None else f"{figure[key]:.1f}" for key in ("ratio", "cpu_ratio")]
    peaks = [figure["timings"][name]["peak_mb"] for name in (PLAIN, FAST) if name in figure["timings"]]
    memory = ", ".join("–" if peak is None else f"{peak:.0f} MB" for peak in peaks)
    return _row(f"{figure['name']}, per {figure['unit']}", *times, *ratios, memory)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.3g}"
