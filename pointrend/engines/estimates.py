"""What trainings take: iterations, time and disk.

Times are from the records in benchmarks/ that ``python -m benchmarks`` has written, or from the command line.
"""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from pointrend.engines.doctor.finding import ask
from pointrend.errors import ParamsError, ResultsError
from pointrend.files import read_json
from pointrend.settings.params import RunSetting
from pointrend.settings.project import Project
from pointrend.training.schedule import iterations_per_epoch

PARAMETERS = {50: 28.8e6, 101: 47.8e6, 152: 63.5e6}  # about, of a network of full width by the depth of its backbone
COPIES = 4  # of the parameters on disk: the trained weights, a checkpoint with its momenta, and room to rewrite it
CPU_INFO = Path("/proc/cpuinfo")


def epoch_iterations(project: Project, setting: RunSetting) -> int:
    """Iterations per epoch at the current scale."""
    images = project.kept_images(setting.dataset)["train"]
    return iterations_per_epoch(images, setting.recipe.gpus, setting.recipe.batch_size)


def weights_bytes(setting: RunSetting) -> float:
    """Disk for the weights and checkpoints of one training."""
    return COPIES * 4 * PARAMETERS[setting.depth] * (setting.recipe.width / 64) ** 2


def typed_step_times(project: Project, texts: Sequence[str]) -> dict[str, float]:
    """Milliseconds by run from ``RUN=MS`` and ``BACKBONE=MS``; a run's own value wins over its backbone's.

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
    times = {run: given.get(run, given.get(of.backbone)) for run, of in runs.items()}
    return {run: time for run, time in times.items() if time is not None}


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
    for path, record in _records(project, "step"):
        if (machine := record["machine"])["name"] in machines:
            on_gpu = machine["name"] != machine["processor"]
            figures = [figure for figure in record["figures"] if figure["facts"].get("run") in project.params.runs]
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


def sample_times(project: Project) -> dict[str, float]:
    """Processor time of a training sample in ms by dataset, from the newest ``loader`` record."""
    return {
        figure["facts"]["dataset"]: 1e3 * figure["timings"]["fast"]["cpu_s"] / figure["count"]
        for _, record in islice(_records(project, "loader"), 1)
        for figure in reversed(record["figures"])  # a dataset's first figure is the one for bytes on the device
    }


def _records(project: Project, what: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The records of a benchmark, the newest first."""
    paths = (project.root / "benchmarks").glob(f"{what}_*.json")
    for path in sorted(paths, key=lambda path: path.stem.rsplit("_", 1)[-1], reverse=True):
        yield path, read_json(path, ResultsError, f"run: python -m benchmarks {what}")


def checkpoint_iteration(folder: Path) -> int:
    """Finished iterations of the newest checkpoint in ``folder``, by its name; 0 without any."""
    names = [path.stem.partition("-")[0] for path in folder.glob("*-*.json")]
    return max((int(name) for name in names if name.isdecimal()), default=0)
