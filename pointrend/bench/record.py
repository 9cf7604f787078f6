"""Where a benchmark's figures go: a JSON record under benchmarks/, and a table in docs/performance.md."""

from __future__ import annotations

import datetime
import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pointrend.bench.figures import FAST, PLAIN, Figure, Finding, Growth, Shares
from pointrend.errors import ResultsError
from pointrend.files import write_json, write_text

CPU_INFO = Path("/proc/cpuinfo")
PACKAGES = {"torch": "torch", "numpy": "numpy", "opencv": "opencv-python-headless", "snakemake": "snakemake"}


def record_of(what: str, findings: Sequence[Finding], device: str | None = None) -> dict[str, Any]:
    """Everything to be kept of a benchmark; ``device`` names the GPU where one was used."""
    return {
        "bench": what,
        "date": datetime.date.today().isoformat(),
        "machine": machine(device),
        "figures": [finding.record() for finding in findings if isinstance(finding, Figure)],
        "growth": [finding.record() for finding in findings if isinstance(finding, Growth)],
        "profile": [finding.record() for finding in findings if isinstance(finding, Shares)],
    }


def machine(device: str | None = None) -> dict[str, Any]:
    """Processor, cores, system, GPU and versions; no host name."""
    return {
        "name": device or processor_name(),
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(package) for name, package in PACKAGES.items()},
    }


def processor_name() -> str:
    """What the processor calls itself."""
    try:
        lines = CPU_INFO.read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def gpu_name() -> str | None:
    """What the first GPU calls itself, where there is one that torch can use."""
    import torch  # the tables do without it

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def write_record(folder: Path, record: dict[str, Any]) -> Path:
    """Write ``<what>_<machine>_<date>.json`` into ``folder`` and return its path."""
    slug = re.sub(r"[^a-z0-9]+", "-", record["machine"]["name"].lower()).strip("-")
    path = folder / f"{record['bench']}_{slug}_{record['date']}.json"
    write_json(path, record)
    return path


def table(record: dict[str, Any]) -> str:
    """The record as Markdown: the machine, one table of figures, one for each growth, one for each profile."""
    lines = [f"{_machine_line(record)}\n"]
    if record["figures"]:
        lines += [
            "| what | plain, ms | fast, ms | ratio | ratio of CPU time | memory, plain and fast |",
            "|-|-|-|-|-|-|",
        ]
        lines += [_figure_row(figure) for figure in record["figures"]]
    for growth in record["growth"]:
        numbers, values = zip(*growth["values"].items(), strict=True)
        lines += ["", _row([f"{growth['name']}, {growth['unit']}, over {growth['over']}", *map(_thousands, numbers)])]
        lines += [_row(["-"] * (len(numbers) + 1)), _row(["", *map(_number, values)])]
    for profile in record["profile"]:
        lines += ["", f"| what {profile['name']} spends its time on | share |", "|-|-|"]
        lines += [_row([operator, f"{100 * share:.0f} %"]) for operator, share in profile["shares"].items()]
    return "\n".join(lines) + "\n"


def update_table(page: Path, record: dict[str, Any]) -> None:
    """Put the record's table between the markers of its benchmark in a Markdown page.

    Raises:
        ResultsError: the page or its markers are missing.
    """
    begin, end = (f"<!-- bench:{record['bench']}:{place} -->" for place in ("begin", "end"))
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as problem:
        raise ResultsError(f"cannot read {page}: {problem.strerror}", "restore it from the repository") from problem
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ResultsError(f"{page} has no place for {record['bench']}", f"put {begin} and {end} where it belongs")
    write_text(page, f"{before}{begin}\n{table(record)}{end}{after}")


def _machine_line(record: dict[str, Any]) -> str:
    of = record["machine"]
    gpu = "" if of["name"] == of["processor"] else f"{of['name']}, "
    return (
        f"{record['date']}, {gpu}{of['processor']} ({of['cores']} cores), "
        f"Python {of['python']}, torch {of['torch']}, OpenCV {of['opencv']}."
    )


def _figure_row(figure: dict[str, Any]) -> str:
    times, timings = figure["milliseconds"], figure["timings"]
    memory = [_megabytes(timings[name]["peak_mb"]) for name in (PLAIN, FAST) if name in timings]
    return _row(
        [
            f"{figure['name']}, a {figure['unit']}",
            *(_number(times[name]) if name in times else "–" for name in (PLAIN, FAST)),
            *("–" if figure[key] is None else f"{figure[key]:.1f}" for key in ("ratio", "cpu_ratio")),
            ", ".join(memory),
        ]
    )


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _thousands(number: str) -> str:
    return f"{int(number):,}"


def _megabytes(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} MB"
