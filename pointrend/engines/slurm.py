"""The resources that every job requests from Slurm, and the jobs that an earlier command has left in its queue.

Nothing here depends on the site: partition, account and time limits are in workflow/profiles/slurm/config.yaml.
"""

from __future__ import annotations

import subprocess
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from pointrend.engines.doctor.finding import ask
from pointrend.engines.workflow import Workflow
from pointrend.errors import MachineError
from pointrend.settings.recipe import Recipe

NOTICE_SECONDS = 120  # how long before its time limit a training is signalled to write a checkpoint and requeue
ANSWER_SECONDS = 30  # time limit for Slurm's list of partitions

# Resources of a rule by the names of Snakemake's Slurm executor; None: not requested.
Resources = dict[str, int | str | None]
TRAIN_RESOURCES = ("cpus_per_task", "gpu", "gres", "nodes", "tasks", "tasks_per_gpu", "mpi")


def train_resources(recipe: Recipe) -> Resources:
    """One task per node, which starts torchrun, and one GPU per process, unless a single process uses the CPU."""
    each = recipe.gpus // recipe.nodes
    wanted: Resources = dict.fromkeys(TRAIN_RESOURCES)
    wanted["cpus_per_task"] = each * max(recipe.workers + 1, recipe.threads)
    if not uses_gpus(recipe):
        return wanted
    if recipe.nodes == 1:
        # Without tasks_per_gpu the executor requests one task per GPU, and each would start torchrun; without nodes
        # Slurm may collect the GPUs from several, and the job's single step could not be created.
        return wanted | {"gpu": recipe.gpus, "nodes": 1, "tasks_per_gpu": 0}
    # With `mpi` the executor runs the command on the first node and leaves it to the command to call srun.
    wanted |= {"gres": f"gpu:{each}", "nodes": recipe.nodes, "tasks": recipe.nodes, "tasks_per_gpu": 0, "mpi": "srun"}
    return wanted


def uses_gpus(recipe: Recipe) -> bool:
    """Whether trainings request GPUs: not where one process trains on the CPU."""
    return recipe.device != "cpu" or recipe.gpus > 1


def train_memory_mb(recipe: Recipe) -> int:
    """Memory per node: measured 0.9 GB for the demo, about 1.5 GB for a 512x512 image at full width."""
    images = recipe.batch_size * recipe.crop_size[0] * recipe.crop_size[1] / 512**2
    return int(1500 + 1500 * images * recipe.width / 64 / recipe.nodes)


def evaluate_gpus(recipe: Recipe) -> int | None:
    """GPUs that scoring requests."""
    return 1 if recipe.device != "cpu" else None


def train_options(recipe: Recipe, waits_for: tuple[str, ...]) -> str:
    """Further sbatch options of a training, which begins after the jobs that it ``waits_for``."""
    tasks = ["--ntasks-per-node=1"] if recipe.nodes > 1 else []
    return " ".join([f"--signal=USR1@{NOTICE_SECONDS}", *tasks, *_after(waits_for)])


def _after(jobs: tuple[str, ...]) -> list[str]:
    """The sbatch option that lets a job begin when others have ended, successfully or not."""
    return [f"--dependency=afterany:{':'.join(jobs)}"] if jobs else []


@dataclass(frozen=True)
class SlurmJobs:
    """The jobs of a workflow: which are grouped, and which wait for jobs that a killed command has left with Slurm."""

    wanted: Workflow

    @property
    def group(self) -> str | None:
        """Training and scoring of a run are one job if both are short: querying the state of a job takes longer."""
        long = any(uses_gpus(self.wanted.project.setting(run).recipe) for run in self.wanted.runs)
        return "{run}-s{seed}" if self.wanted.cluster and not long else None

    def train_options(self, run: str, seed: str) -> str:
        """The sbatch options of a training, and of its group."""
        return train_options(self.wanted.project.setting(run).recipe, self._before("train", run, seed))

    def options(self, rule: str, *wildcards: str) -> str | None:
        """The sbatch options of any other job; all jobs of a group must have the same."""
        if rule == "evaluate" and self.group:
            return self.train_options(*wildcards)
        return " ".join(_after(self._before(rule, *wildcards))) or None

    def _before(self, rule: str, *wildcards: str) -> tuple[str, ...]:
        return tuple(job.number for name in comments(rule, *wildcards) for job in self._earlier.get(name, ()))

    @cached_property
    def _earlier(self) -> dict[str, tuple[QueuedJob, ...]]:
        return queued_jobs(self.wanted.project.root) if self.wanted.cluster else {}


class QueuedJob(NamedTuple):
    """A job in Slurm's queue, with its state and why it waits, in Slurm's words."""

    number: str
    state: str
    reason: str

    def runs(self, number: str | None) -> bool:
        """Whether it is the running job of this ``number``."""
        return self.state == "RUNNING" and self.number == number


def comments(rule: str, *wildcards: str) -> tuple[str, str]:
    """The comments that Snakemake gives a Slurm job: alone, or in the group of a short training and its score."""
    return f"rule_{rule}_wildcards_{'_'.join(wildcards)}", f"rule_{wildcards[0]}-s{wildcards[-1]}_evaluate_train"


def queued_jobs(root: Path) -> dict[str, tuple[QueuedJob, ...]]:
    """The Slurm jobs of the checkout at ``root``, by their comments; empty where Slurm does not answer.

    A killed Snakemake leaves its jobs in the queue. The next one lets each of its own jobs begin after the matching old
    one, which has then done the work.
    """
    found: dict[str, tuple[QueuedJob, ...]] = defaultdict(tuple)
    for line in (ask("squeue", "--me", "--noheader", "--format=%i|%T|%r|%k|%Z", seconds=60) or "").splitlines():
        *job, comment, folder = line.split("|", 4)
        if Path(folder) == root:
            found[comment] += (QueuedJob(*job),)
    return found


def check_slurm() -> None:
    """Make sure that a Slurm answers, since the executor would wait for it forever.

    Raises:
        MachineError: none does, with its last line of output.
    """
    command = ["sinfo", "--noheader", "--format=%P"]
    do = "run: pointrend doctor, or leave out --profile slurm"
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=True)  # noqa: S603 sinfo
    except FileNotFoundError:
        raise MachineError("Slurm is not installed on this machine: no sinfo on the PATH", do) from None
    except subprocess.TimeoutExpired:
        raise MachineError(f"Slurm does not answer: no output from sinfo for {ANSWER_SECONDS} s", do) from None
    except (OSError, subprocess.CalledProcessError) as problem:
        output = str(getattr(problem, "stderr", None) or problem).strip().splitlines()
        raise MachineError(f"Slurm does not answer: {output[-1]}", do) from None


def sbatch_words(wanted: Resources, memory_mb: int, options: str) -> list[str]:
    """The sbatch options that the executor derives from a training's resources, without those of the site."""
    tasks = wanted["tasks"] or 1 if wanted["mpi"] or not wanted["gpu"] else None
    values = {"nodes": wanted["nodes"], "ntasks": tasks, "gpus": wanted["gpu"], "gres": wanted["gres"]}
    words = [f"--{name}={value}" for name, value in values.items() if value]
    return [f"--mem={memory_mb}", f"--cpus-per-task={wanted['cpus_per_task']}", *words, *options.split()]
