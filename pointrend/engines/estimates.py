"""What trainings take: iterations, time and disk; for the verbs ``plan`` and ``doctor``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pointrend.errors import ParamsError
from pointrend.settings.params import RunSetting
from pointrend.settings.project import Project
from pointrend.training.schedule import iterations_per_epoch

PARAMETERS = {50: 28.8e6, 101: 47.8e6, 152: 63.5e6}  # about, of a network of full width by the depth of its backbone
COPIES = 4  # of the parameters on disk: the trained weights, a checkpoint with its momenta, and room to rewrite it


@dataclass(frozen=True)
class Cost:
    """What one training with one seed takes; ``samples_a_second`` is what each GPU consumes."""

    hours: float
    gpu_hours: float
    disk_gb: float
    samples_a_second: float


def cost(setting: RunSetting, iterations: int, step_ms: float) -> Cost:
    """The cost of a training whose steps take ``step_ms`` milliseconds each."""
    recipe = setting.recipe
    hours = iterations * step_ms / 3.6e6
    share = recipe.batch_size / recipe.gpus
    return Cost(hours, hours * recipe.gpus, weights_bytes(setting) / 1e9, 1e3 * share / step_ms)


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
