"""The results of a benchmark, as a JSON record in this folder and as a table in docs/performance.md."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.timing import Timing
from pointrend.checkout.machine import machine_record
from pointrend.engines.estimates import processor_name
from pointrend.files import write_json, write_text

PLAIN, FAST = "plain", "fast"  # the two candidates of a ratio: the obvious way to do it, and ours


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
        ratios = {"ratio": self._ratio("median_s"), "cpu_ratio": self._ratio("cpu_s")}
        return {**asdict(self), "milliseconds": milliseconds, **ratios}

    def _ratio(self, what: str) -> float | None:
        if not self.timings.keys() >= {PLAIN, FAST}:
            return None
        return float(getattr(self.timings[PLAIN], what) / max(getattr(self.timings[FAST], what), 1e-9))


@dataclass(frozen=True)
class Growth:
    """How ``name``, in ``unit``, changes with the number of ``over``: values by that number."""

    name: str
    unit: str
    over: str
    values: Mapping[int, float]

    def record(self) -> dict[str, Any]:
        """The same with text keys, as JSON has them."""
        return {**asdict(self), "values": {str(number): value for number, value in self.values.items()}}


Finding = Figure | Growth


def record_of(what: str, findings: Sequence[Finding], device: torch.device) -> dict[str, Any]:
    """The record of a benchmark that ran on ``device``: date, machine (without its host name) and findings."""
    machine = machine_record(device) | {"processor": processor_name()}
    return {
        "bench": what,
        "date": datetime.date.today().isoformat(),
        "machine": machine | {"name": machine["device"] if device.type == "cuda" else machine["processor"]},
        "figures": [finding.record() for finding in findings if isinstance(finding, Figure)],
        "growth": [finding.record() for finding in findings if isinstance(finding, Growth)],
    }


def save(record: dict[str, Any], folder: Path, page: Path) -> None:
    """Write ``<what>_<machine>_<date>.json`` into ``folder``, and the table between its markers in ``page``."""
    slug = re.sub(r"[^a-z0-9]+", "-", record["machine"]["name"].lower()).strip("-")
    write_json(folder / f"{record['bench']}_{slug}_{record['date']}.json", record)
    begin, end = (f"<!-- bench:{record['bench']}:{place} -->" for place in ("begin", "end"))
    before, rest = page.read_text(encoding="utf-8").split(begin)
    write_text(page, f"{before}{begin}\n{table(record)}{end}{rest.split(end)[1]}")


def table(record: dict[str, Any]) -> str:
    """The record as Markdown: the machine, one table of figures, one table per growth."""
    of = record["machine"]
    gpu = "" if of["name"] == of["processor"] else f"{of['name']}, "
    versions = f"Python {of['python']}, torch {of['torch']}, OpenCV {of['opencv']}"
    lines = [f"{record['date']}, {gpu}{of['processor']} ({of['cores']} cores), {versions}.\n"]
    lines += [
        _row("what", "plain, ms", "fast, ms", "ratio", "ratio of CPU time", "memory, plain and fast"),
        "|-" * 6 + "|",
    ]
    lines += map(_figure_row, record["figures"])
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
