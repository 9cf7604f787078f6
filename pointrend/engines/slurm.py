"""What Slurm is asked for, job by job, and which jobs of an earlier command are still with it.

Nothing here knows a site: partition, account and time limits stand in workflow/profiles/slurm/config.yaml.
"""

from __future__ import annotations

import subprocess
from collections import defaultdict
from pathlib import Path
from typing import TypedDict

from pointrend.errors import MachineError
from pointrend.settings.recipe import Recipe

NOTICE_SECONDS = 120
"""How long before its time limit a training is told to leave a checkpoint and go back into the queue."""
ANSWER_SECONDS = 30
"""How long a Slurm may take to say which partitions it has."""


class Resources(TypedDict):
    """Resources of a rule, as Snakemake's Slurm executor names them; None: not asked for."""

    cpus_per_task: int
    gpu: int | None
    gres: str | None
    nodes: int | None
    tasks: int | None
    tasks_per_gpu: int | None
    mpi: str | None


TRAIN_RESOURCES = tuple(Resources.__annotations__)


def train_resources(recipe: Recipe) -> Resources:
    """One task a node, in which torchrun starts the processes; a GPU for each, unless one process trains on the CPU."""
    each = recipe.gpus // recipe.nodes
    wanted: Resources = {
        "cpus_per_task": each * max(recipe.workers + 1, recipe.threads),
        "gpu": None,
        "gres": None,
        "nodes": None,
        "tasks": None,
        "tasks_per_gpu": None,
        "mpi": None,
    }
    if not uses_gpus(recipe):
        return wanted
    if recipe.nodes == 1:
        # Without tasks_per_gpu the executor asks for a task a GPU, and torchrun would be started in each; without nodes
        # Slurm may collect the GPUs from several, and the job's one step could not be made.
        return {**wanted, "gpu": recipe.gpus, "nodes": 1, "tasks_per_gpu": 0}
    # With `mpi` the executor leaves it to the command to call srun, on the first of the nodes.
    on_nodes = {"gres": f"gpu:{each}", "nodes": recipe.nodes, "tasks": recipe.nodes, "tasks_per_gpu": 0, "mpi": "srun"}
    return Resources(**{**wanted, **on_nodes})  # type: ignore[typeddict-item]


def uses_gpus(recipe: Recipe) -> bool:
    """Whether trainings ask for GPUs: not where one process trains on the CPU."""
    return recipe.device != "cpu" or recipe.gpus > 1


def train_options(recipe: Recipe, waits_for: tuple[str, ...]) -> str:
    """Further options of sbatch for a training; it begins after the jobs that it ``waits_for``."""
    tasks = ["--ntasks-per-node=1"] if recipe.nodes > 1 else []
    return " ".join([f"--signal=USR1@{NOTICE_SECONDS}", *tasks, *after(waits_for)])


def after(jobs: tuple[str, ...]) -> list[str]:
    """The option of sbatch that lets a job begin when others have ended, however they did."""
    return [f"--dependency=afterany:{':'.join(jobs)}"] if jobs else []


def jobs_of_earlier_commands(root: Path) -> dict[str, tuple[str, ...]]:
    """Numbers of the Slurm jobs that work in the checkout at ``root``, by the comment that Snakemake gave them.

    A killed Snakemake leaves its jobs behind. The next one lets each of its own jobs begin after the one left behind,
    which has then done the work. Empty where Slurm does not answer.
    """
    command = ["squeue", "--me", "--noheader", "--format=%i|%k|%Z"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout  # noqa: S603 squeue
    except (OSError, subprocess.SubprocessError):
        return {}
    found: dict[str, list[str]] = defaultdict(list)
    for line in listed.splitlines():
        number, comment, folder = line.split("|", 2)
        if Path(folder) == root and comment.startswith("rule_"):
            found[comment].append(number)
    return {comment: tuple(numbers) for comment, numbers in found.items()}


def check_slurm() -> None:
    """Make sure that a Slurm answers: the executor would wait for it without end.

    Raises:
        MachineError: none does; what was said instead is told.
    """
    command = ["sinfo", "--noheader", "--format=%P"]
    do = "see pointrend doctor, or leave out --profile slurm"
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=True)  # noqa: S603 sinfo
    except FileNotFoundError:
        raise MachineError("there is no Slurm on this machine: no sinfo on the PATH", do) from None
    except subprocess.TimeoutExpired:
        raise MachineError(f"Slurm does not answer: sinfo said nothing for {ANSWER_SECONDS} s", do) from None
    except (OSError, subprocess.CalledProcessError) as problem:
        said = str(getattr(problem, "stderr", None) or problem).strip().splitlines()
        raise MachineError(f"Slurm does not answer: {said[-1]}", do) from None


def sbatch_words(wanted: Resources, memory_mb: int, options: str) -> list[str]:
    """The options of sbatch that the executor makes of a training's resources, but for the site's."""
    words = [f"--mem={memory_mb}", f"--cpus-per-task={wanted['cpus_per_task']}"]
    if wanted["nodes"]:
        words.append(f"--nodes={wanted['nodes']}")
    if wanted["mpi"] or not wanted["gpu"]:
        words.append(f"--ntasks={wanted['tasks'] or 1}")
    if wanted["gpu"]:
        words.append(f"--gpus={wanted['gpu']}")
    if wanted["gres"]:
        words.append(f"--gres={wanted['gres']}")
    return [*words, *options.split()]
