"""GPU-hours and memory of trainings on a named GPU, estimated before any step has run on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from pointrend.engines.estimates import checkpoint_iteration, epoch_iterations, sample_times
from pointrend.engines.records import Records
from pointrend.errors import PointrendError
from pointrend.settings.fingerprints import training_fingerprint
from pointrend.settings.project import Project
from pointrend.terminal import NOTHING, table

if TYPE_CHECKING:
    from pointrend.jobs.cost import StepCost

UTILISATION = 0.2, 0.5  # of the peak: the least and the most that convolutional networks usually reach
CONTEXT_BYTES = 1.5e9  # CUDA, cuDNN's workspaces, NCCL; about


class Gpu(NamedTuple):
    """Peak TFLOPS by precision, without sparsity, and GB of memory of the smallest model."""

    float32: float
    tf32: float
    bf16: float
    memory: int
    source: str


GPUS = {
    "A100": Gpu(19.5, 156, 312, 40, "NVIDIA A100 datasheet"),
    "H100": Gpu(66.9, 494.7, 989.4, 80, "NVIDIA H100 whitepaper, SXM5"),
    "L40S": Gpu(91.6, 183, 362, 48, "NVIDIA L40S datasheet"),
    "RTX3090": Gpu(35.6, 35.6, 71, 24, "NVIDIA GA102 whitepaper"),
    "RTX4090": Gpu(82.6, 82.6, 165.2, 24, "NVIDIA Ada whitepaper"),
}


def gpu_hours(project: Project, name: str, costs: Mapping[str, StepCost]) -> Iterator[str]:
    """Lines of `plan` for what is left of the trainings on GPUs of the kind ``name``, a key of :data:`GPUS`."""
    gpu, samples, records = GPUS[name], sample_times(project), Records(project)
    used = dict.fromkeys(project.setting(run).recipe.precision for run in costs)
    peaks = ", ".join(f"{getattr(gpu, precision)} TFLOPS in {precision}" for precision in used)
    yield f"\nestimate for {name}: {peaks} ({gpu.source}); not measured"
    rows: list[tuple[object, ...]] = [("run", "GFLOP", "left", "GPU-hours", "GB", "needs", "loader", "")]
    low = high = 0.0
    for run, cost in costs.items():
        recipe = project.setting(run).recipe
        left = sum(_iterations_left(project, records, run, seed) for seed in project.params.seeds)
        peak = 1e12 * getattr(gpu, recipe.precision)
        slow, fast = (share * peak / cost.flops for share in UTILISATION)  # images per second
        least, most = (left * recipe.batch_size / rate / 3600 for rate in (fast, slow))
        low, high = low + least, high + most
        memory = (cost.state_bytes + cost.image_bytes * recipe.batch_size / recipe.gpus + CONTEXT_BYTES) / 1e9
        sample_ms = samples.get(project.setting(run).dataset)
        loader = f"{1e3 * max(1, recipe.workers) / sample_ms:.0f}/s" if sample_ms else NOTHING
        short = "" if memory <= gpu.memory else "too little memory"
        rates = _range(least, most), f"{memory:.1f}", f"{slow:.0f}-{fast:.0f}/s", loader
        rows.append((run, f"{cost.flops / 1e9:.0f}", left, *rates, short))
    yield table([*rows, ("together", "", "", _range(low, high), "", "", "", "")], "<>>>>>><")
    yield "GFLOP: per image, forward and backward, counted; left: iterations of all seeds"
    yield f"GPU-hours: at 20 to 50 % of the peak, assumed; GB: memory, of {gpu.memory} GB or more"
    yield "needs: samples per second that each GPU consumes; loader: those that its loader"
    yield "processes supply. `python -m benchmarks step` measures on the GPU itself; then"
    yield "`plan` needs no --gpu"


def _range(least: float, most: float) -> str:
    return "-".join(f"{hours:.0f}" if hours >= 10 else f"{hours:.1f}" for hours in (least, most))


def _iterations_left(project: Project, records: Records, run: str, seed: int) -> int:
    """Iterations after the newest checkpoint of the wanted training; 0 if it is finished."""
    setting = project.setting(run)
    total = epoch_iterations(project, setting) * setting.recipe.epochs
    if records.fault("train", run, seed) is None:
        return 0
    try:
        folder = project.checkpoint_folder(run, seed, training_fingerprint(project, setting, seed))
    except PointrendError:  # its data are not there yet
        return total
    return total - checkpoint_iteration(folder)
