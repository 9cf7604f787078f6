"""The jobs that `snakemake --profile slurm` would submit at the current scale."""

from __future__ import annotations

from pointrend.engines.slurm import sbatch_words
from pointrend.engines.workflow import Workflow
from pointrend.jobs.launch import launcher
from pointrend.settings.project import Project

SITE = "workflow/profiles/slurm/config.yaml"


def print_slurm_jobs(project: Project) -> None:
    """Print what would be submitted, and how the processes of every training would be started."""
    params = project.params
    wanted = Workflow(project, tuple(params.runs), params.seeds, cluster=True)
    print(f"scale {params.scale}, jobs for Slurm; partition, account and time limits are in {SITE}")
    print("on this machine: fetch, audit, compare, report, track")
    for dataset in wanted.datasets:
        print(f"\nprepare {dataset}\n  sbatch --mem=4000 --cpus-per-task=2 --ntasks=1")
    for run in wanted.runs:
        for seed in wanted.seeds:
            _print_training(wanted, run, str(seed))
    for run in wanted.released:
        print(f"\nevaluate {run}, released weights\n  {_scoring(wanted, run)}")


def _print_training(wanted: Workflow, run: str, seed: str) -> None:
    recipe = wanted.project.setting(run).recipe
    options = sbatch_words(wanted.train_resources(run), wanted.train_memory_mb(run), wanted.train_options(run, seed))
    print(f"\n{'train and evaluate' if wanted.group else 'train'} {run}, seed {seed}")
    print(f"  sbatch {' '.join(options)}")
    if recipe.gpus > 1:
        started = launcher(
            recipe.gpus, recipe.nodes, "FIRST_NODE", None, ["-m", f"{wanted.command()} train {run} --seed {seed}"]
        )
        print(f"  {' '.join(started)}")
    if not wanted.group:
        print(f"evaluate {run}, seed {seed}\n  {_scoring(wanted, run)}")


def _scoring(wanted: Workflow, run: str) -> str:
    gpus = wanted.evaluate_gpus(run)
    return f"sbatch --mem=4000 --cpus-per-task=2 {f'--gpus={gpus}' if gpus else '--ntasks=1'}"
