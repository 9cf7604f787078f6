"""The jobs that `snakemake --profile slurm` would submit at the current scale."""

from __future__ import annotations

from collections.abc import Iterator

from pointrend.engines.slurm import sbatch_words
from pointrend.engines.workflow import Workflow
from pointrend.jobs.launch import launcher
from pointrend.settings.project import Project

SITE = "workflow/profiles/slurm/config.yaml"


def slurm_jobs(project: Project) -> Iterator[str]:
    """The sbatch command of every job, and how the processes of every training would be started."""
    params = project.params
    wanted = Workflow(project, tuple(params.runs), params.seeds, cluster=True)
    yield f"scale {params.scale}, jobs for Slurm; partition, account and time limits are in {SITE}"
    yield "on this machine: fetch, audit, compare, report, track"
    for dataset in wanted.datasets:
        yield f"\nprepare {dataset}\n  sbatch --mem=4000 --cpus-per-task=2 --ntasks=1"
    for run in wanted.runs:
        for seed in wanted.seeds:
            yield from _training(wanted, run, str(seed))
    for run in wanted.released:
        yield f"\nevaluate {run}, released weights\n  {_scoring(wanted, run)}"


def _training(wanted: Workflow, run: str, seed: str) -> Iterator[str]:
    recipe = wanted.project.setting(run).recipe
    options = sbatch_words(wanted.train_resources(run), wanted.train_memory_mb(run), wanted.train_options(run, seed))
    yield f"\n{'train and evaluate' if wanted.group else 'train'} {run}, seed {seed}"
    yield f"  sbatch {' '.join(options)}"
    if recipe.gpus > 1:
        program = ["-m", f"{wanted.command()} train {run} --seed {seed}"]
        yield f"  {' '.join(launcher(recipe.gpus, recipe.nodes, 'FIRST_NODE', None, program))}"
    if not wanted.group:
        yield f"evaluate {run}, seed {seed}\n  {_scoring(wanted, run)}"


def _scoring(wanted: Workflow, run: str) -> str:
    gpus = wanted.evaluate_gpus(run)
    return f"sbatch --mem=4000 --cpus-per-task=2 {f'--gpus={gpus}' if gpus else '--ntasks=1'}"
