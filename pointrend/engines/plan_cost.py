"""What trainings cost in time and disk, from the measured time of a step; for the verb ``plan``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointrend.errors import ParamsError, ResultsError
from pointrend.files import read_json
from pointrend.settings.params import RunSetting
from pointrend.settings.project import Project

PARAMETERS = {50: 28.8e6, 101: 47.8e6, 152: 63.5e6}
"""About how many a network of real width has, by the depth of its backbone."""
COPIES = 4
"""Of the parameters on disk: the trained weights, and a checkpoint with its momenta, of which rewriting takes more."""

HEADING = f"{'run':<16}{'step, ms':>10}{'wall, h':>9}{'GPU-hours':>11}{'disk, GB':>10}{'needs':>10}{'loader':>10}"
EXPLANATION = (
    "needs, loader: samples a second that a GPU takes, and that its loader processes give (pointrend bench loader)"
)


@dataclass(frozen=True)
class Cost:
    """What training one run with one seed takes."""

    hours: float
    gpu_hours: float
    disk_gb: float
    samples_a_second: float
    """That one GPU takes in."""


def cost(setting: RunSetting, iterations: int, step_ms: float) -> Cost:
    """The cost of a training whose steps take ``step_ms`` milliseconds each."""
    recipe = setting.recipe
    hours = iterations * step_ms / 3.6e6
    weights = 4 * PARAMETERS[setting.depth] * (recipe.width / 64) ** 2
    share = recipe.batch_size / recipe.gpus
    return Cost(hours, hours * recipe.gpus, COPIES * weights / 1e9, 1e3 * share / step_ms)


def cost_line(name: str, setting: RunSetting, iterations: int, step_ms: float, sample_ms: float | None) -> str:
    """One line under :data:`HEADING`; ``sample_ms`` is the processor time of one sample, where it was measured."""
    of = cost(setting, iterations, step_ms)
    # Without worker processes the one that trains also loads.
    loader = "–" if sample_ms is None else f"{1e3 * max(1, setting.recipe.workers) / sample_ms:.0f}/s"
    times = f"{step_ms:>10.0f}{of.hours:>9.1f}{of.gpu_hours:>11.1f}{of.disk_gb:>10.2f}"
    return f"{name:<16}{times}{f'{of.samples_a_second:.3g}/s':>10}{loader:>10}"


def step_times(project: Project, texts: Sequence[str]) -> dict[str, float]:
    """Milliseconds by run from ``RUN=MS`` and ``BACKBONE=MS``; a run's own wins over its backbone's.

    Raises:
        ParamsError: not of that form, or no such run or backbone.
    """
    runs, given = project.params.runs, dict[str, float]()
    for text in texts:
        name, _, value = text.partition("=")
        project.params.known("run or backbone", name, [*runs, *project.params.backbones])
        try:
            given[name] = float(value)
        except ValueError:
            given[name] = 0.0
        if not 0 < given[name] < 1e9:
            raise ParamsError(f"--step-ms {text!r} is not NAME=MILLISECONDS", "write for example --step-ms r50=210")
    names = {run: next((name for name in (run, of.backbone) if name in given), None) for run, of in runs.items()}
    return {run: given[name] for run, name in names.items() if name is not None}


def measured_step_times(project: Project, machines: Collection[str]) -> tuple[dict[str, float], Path | None]:
    """Milliseconds of a step by run as ``pointrend bench step`` measured them on one of ``machines``, and its record.

    Of several records the newest counts. Only runs of the measured size are in it, and from a CPU's record only those
    that may train on a CPU.
    """
    for path in reversed(_records(project.root / "benchmarks", "step")):
        found = read_json(path, ResultsError, "run: pointrend bench step")
        if found["machine"]["name"] in machines:
            on_gpu = found["machine"]["name"] != found["machine"]["processor"]
            figures = [figure for figure in found["figures"] if figure["facts"].get("run") in project.params.runs]
            times = {figure["facts"]["run"]: _scaled_step_ms(project, figure, on_gpu) for figure in figures}
            return {run: step_ms for run, step_ms in times.items() if step_ms is not None}, path
    return {}, None


def _scaled_step_ms(project: Project, figure: Mapping[str, Any], on_gpu: bool) -> float | None:
    """Of a process of this training, which may take another number of crops than was measured; None if not like it."""
    recipe, facts = project.setting(figure["facts"]["run"]).recipe, figure["facts"]
    alike = [list(recipe.crop_size), recipe.width] == [facts["crop_size"], facts["width"]]
    if not alike or (recipe.device == "cuda" and not on_gpu):
        return None
    return float(figure["milliseconds"]["fast"] * recipe.batch_size / recipe.gpus / facts["images"])


def _records(benchmarks: Path, what: str) -> list[Path]:
    """Those of a benchmark, the oldest first."""
    return sorted(benchmarks.glob(f"{what}_*.json"), key=lambda path: path.stem.rsplit("_", 1)[-1])


def sample_times(benchmarks: Path) -> Mapping[str, float]:
    """Processor time of a training sample in ms by dataset, from the newest record of ``pointrend bench loader``."""
    records = _records(benchmarks, "loader")
    if not records:
        return {}
    found = read_json(records[-1], ResultsError, "run: pointrend bench loader")
    return {
        figure["facts"]["dataset"]: 1e3 * figure["timings"]["fast"]["cpu_s"] / figure["count"]
        for figure in reversed(found["figures"])  # the first figure of a dataset is that of bytes for the device
    }
