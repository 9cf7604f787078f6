"""Times from the records in benchmarks/ that ``python -m benchmarks`` has written; for the verb ``plan``."""

from __future__ import annotations

import platform
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pointrend.engines.doctor.finding import ask
from pointrend.errors import ResultsError
from pointrend.files import read_json
from pointrend.settings.project import Project

CPU_INFO = Path("/proc/cpuinfo")


def processor_name() -> str:
    """The processor's model name, or its architecture where the system does not report one."""
    try:
        lines = CPU_INFO.read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def this_machine() -> set[str]:
    """The names that a record has if it was made on this machine: its GPUs and its processor."""
    # torch knows the GPUs, too, but takes seconds to import.
    gpus = ask("nvidia-smi", "--query-gpu=name", "--format=csv,noheader") or ""
    return {*gpus.splitlines(), processor_name()}


def step_times(project: Project, machines: Collection[str]) -> tuple[dict[str, float], Path | None]:
    """Milliseconds per step by run from the newest ``step`` record of one of ``machines``, and that record.

    Only runs of the measured size are included, and from a CPU's record only those that may train on a CPU.
    """
    for path in reversed(_records(project.root / "benchmarks", "step")):
        found = read_json(path, ResultsError, "run: python -m benchmarks step")
        if found["machine"]["name"] in machines:
            on_gpu = found["machine"]["name"] != found["machine"]["processor"]
            figures = [figure for figure in found["figures"] if figure["facts"].get("run") in project.params.runs]
            times = {figure["facts"]["run"]: _scaled_step_ms(project, figure, on_gpu) for figure in figures}
            return {run: step_ms for run, step_ms in times.items() if step_ms is not None}, path
    return {}, None


def _scaled_step_ms(project: Project, figure: Mapping[str, Any], on_gpu: bool) -> float | None:
    """The time for this training's crops per process, in proportion; None if crop size, width or device differ."""
    recipe, facts = project.setting(figure["facts"]["run"]).recipe, figure["facts"]
    alike = [list(recipe.crop_size), recipe.width] == [facts["crop_size"], facts["width"]]
    if not alike or (recipe.device == "cuda" and not on_gpu):
        return None
    return float(figure["milliseconds"]["fast"] * recipe.batch_size / recipe.gpus / facts["images"])


def sample_times(benchmarks: Path) -> Mapping[str, float]:
    """Processor time of a training sample in ms by dataset, from the newest ``loader`` record."""
    records = _records(benchmarks, "loader")
    if not records:
        return {}
    found = read_json(records[-1], ResultsError, "run: python -m benchmarks loader")
    return {
        figure["facts"]["dataset"]: 1e3 * figure["timings"]["fast"]["cpu_s"] / figure["count"]
        for figure in reversed(found["figures"])  # a dataset's first figure is the one for bytes on the device
    }


def _records(benchmarks: Path, what: str) -> list[Path]:
    """The records of a benchmark, the oldest first."""
    return sorted(benchmarks.glob(f"{what}_*.json"), key=lambda path: path.stem.rsplit("_", 1)[-1])
