"""Print what a scale would run before it runs: iterations of every run, downloads, disk space.

With the time of a training step also the hours: the time that `make bench` measured on this machine (the newest record
in benchmarks/), or that of a different GPU, given with --step-ms. With --gpu, GPU-hours and memory are estimated before
anything was measured.

examples:
  pointrend plan
  pointrend --scale paper plan --step-ms r50=210 --step-ms r101=320
  pointrend --scale paper plan --gpu A100
  pointrend --scale paper plan --slurm
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from pointrend.engines.estimates import step_times, this_machine, typed_step_times
from pointrend.engines.gpus import GPUS, gpu_hours
from pointrend.engines.plan import plan, slurm_jobs
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    step_help = "milliseconds per step of a run, or of all runs with a backbone"
    parser.add_argument("--check", action="store_true", help="only check params.yaml, and print nothing")
    parser.add_argument("--step-ms", metavar="NAME=MS", action="append", default=[], help=step_help)
    gpu_help = f"estimate GPU-hours, memory and loader rates for a GPU: {', '.join(GPUS)}"
    parser.add_argument("--gpu", metavar="NAME", help=gpu_help)
    parser.add_argument("--slurm", action="store_true", help="print the jobs that --profile slurm would submit")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Print the plan of the current scale."""
    for name in project.params.runs:
        project.setting(name)
    if arguments.check:
        return
    estimate: Iterable[str] = ()
    if arguments.gpu:
        project.params.known("GPU", arguments.gpu, GPUS)
        from pointrend.jobs.cost import step_cost

        estimate = gpu_hours(
            project, arguments.gpu, {run: step_cost(project.setting(run)) for run in project.params.runs}
        )
    if arguments.slurm:
        lines = slurm_jobs(project)
    elif arguments.step_ms:
        lines = plan(project, typed_step_times(project, arguments.step_ms), "--step-ms", estimate)
    else:
        steps, record = step_times(project, this_machine())
        lines = plan(project, steps, str(record.relative_to(project.root)) if record else "", estimate)
    print("\n".join(lines))
