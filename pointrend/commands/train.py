"""Train a run to its end, or resume it where it stopped.

With gpus above 1 in the setting this starts torchrun, once on every node; under torchrun it is one of its processes.
On SIGTERM or SIGUSR1 it leaves a checkpoint and ends with exit code 75.

examples:
  pointrend train voc_r50 --seed 0
  pointrend --scale paper --set gpus=2 train voc_r50 --seed 1
"""

from __future__ import annotations

import argparse
import os
import sys

from pointrend.commands.arguments import add_run, add_seed
from pointrend.errors import TrainingStopped
from pointrend.jobs import launch
from pointrend.jobs.lease import wait_until_free
from pointrend.jobs.preemption import stop_requests
from pointrend.jobs.slurm_job import requeue_after
from pointrend.logs import calling_engine, first_process, log_to_file
from pointrend.results.audit.watch import watch_training
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
    if setting.recipe.gpus > 1 and not os.environ.get(launch.RUNNING):
        if calling_engine():
            wait_until_free(project.checkpoint_folder(setting.run, seed, fingerprint))
        launch.start_processes(setting.recipe)

    from pointrend.training.run import Training

    training = Training(project, setting, seed, fingerprint, watch_training)
    with stop_requests() as stop:
        try:
            training.run(stop)
        except TrainingStopped as stopped:
            if not first_process():
                sys.exit(stopped.exit_code)  # the first one tells
            requeue_after(stop.signal)
            raise
