"""Train a run to its end, or resume it where it stopped.

With gpus above 1 in the setting this starts torchrun, once per node; under torchrun it is one of its processes.
On SIGTERM or SIGUSR1 it writes a checkpoint and exits with code 75. In a Slurm job at scale paper, `pointrend check`
runs first unless a machine of this kind has been checked.

examples:
  pointrend train voc_r50 --seed 0
  pointrend --scale paper --set gpus=2 train voc_r50 --seed 1
"""

from __future__ import annotations

import argparse
import os

from pointrend.commands.arguments import add_run, add_seed
from pointrend.jobs.launch import RUNNING, check_numbers, start_processes
from pointrend.jobs.lease import Watch
from pointrend.logs import calling_engine, log_to_file
from pointrend.results.audit.watch import watch_training
from pointrend.settings.definition import PAPER
from pointrend.settings.fingerprints import training_fingerprint
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    add_run(parser)
    add_seed(parser)


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Train one run with one seed."""
    setting, seed = project.setting(arguments.run), arguments.seed
    log_to_file(project.log_file(f"train-{setting.run}-s{seed}"))
    fingerprint = training_fingerprint(project, setting, seed)
    if setting.scale == PAPER and os.environ.get("SLURM_JOB_ID") and not os.environ.get(RUNNING):
        check_numbers(arguments.params)
    if setting.recipe.gpus > 1 and not os.environ.get(RUNNING):
        if calling_engine():
            Watch(project.checkpoint_folder(setting.run, seed, fingerprint), wait=True).until_free()
        if setting.recipe.device != "cpu":
            from pointrend.checkout.machine import check_gpus

            check_gpus(setting.recipe.gpus // setting.recipe.nodes)
        start_processes(setting.recipe)

    from pointrend.jobs.run import run_training
    from pointrend.training.run import Training

    validate = None
    if setting.recipe.validation_epochs:
        from pointrend.evaluation.validation import Validation

        validate = Validation(project.data_folder(setting.dataset), setting)
    run_training(Training(project, setting, seed, fingerprint, validate), watch_training)
