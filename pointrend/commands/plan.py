"""Say what a scale would run before it runs: iterations of every run, what is to be downloaded, what disk it takes.

With the time of a training step also the hours: that which `pointrend bench step` measured on this machine (the newest
record in benchmarks/), or another GPU's, given with --step-ms.

examples:
  pointrend plan
  pointrend --scale paper plan --step-ms r50=210 --step-ms r101=320
  pointrend --scale paper plan --slurm
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from pointrend.engines.doctor.finding import ask
from pointrend.engines.plan_cost import (
    EXPLANATION,
    HEADING,
    cost_line,
    measured_step_times,
    sample_times,
    step_times,
)
from pointrend.engines.plan_slurm import print_slurm_jobs
from pointrend.settings.archives import WITH_ACCOUNT, Archive
from pointrend.settings.definition import wanted_reasons
from pointrend.settings.params import RunSetting
from pointrend.settings.project import BYTES_PER_PIXEL, Project
from pointrend.training.schedule import iterations_per_epoch

NO_STEPS = "no hours: no step of these trainings was measured on this machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    parser.add_argument("--check", action="store_true", help="only check params.yaml, and print nothing")
    parser.add_argument(
        "--step-ms",
        metavar="NAME=MS",
        action="append",
        default=[],
        help="milliseconds of a step of a run, or of all runs with a backbone",
    )
    parser.add_argument("--slurm", action="store_true", help="the jobs that --profile slurm would submit")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Print the plan of the current scale."""
    for name in project.params.runs:
        project.setting(name)
    if arguments.check:
        return
    if arguments.slurm:
        print_slurm_jobs(project)
        return
    if arguments.step_ms:
        _print_plan(project, step_times(project, arguments.step_ms), "--step-ms")
        return
    steps, record = measured_step_times(project, this_machine())
    _print_plan(project, steps, "" if record is None else str(record.relative_to(project.root)))


def this_machine() -> set[str]:
    """The names that a benchmark's record may bear if it was made on this machine."""
    from pointrend.bench.record import processor_name

    # torch would say the same, but takes seconds to import.
    gpus = ask("nvidia-smi", "--query-gpu=name", "--format=csv,noheader") or ""
    return {*gpus.splitlines(), processor_name()}


def _print_plan(project: Project, steps: Mapping[str, float], source: str) -> None:
    print(f"scale {project.params.scale}, archives {project.archive_set}\n")
    print(f"{'run':<16}{'GPUs':>5}{'batch':>7}{'epochs':>8}{'it/epoch':>10}{'iterations':>12}  comparable")
    for name in project.params.runs:
        print(_run_line(project, name))
    if steps:
        _print_costs(project, steps, source)
    else:
        print(f"\n{NO_STEPS}")
    if project.scale.data == "drawn":
        print("\narchives: drawn by the project itself, a few MB; nothing is downloaded")
    else:
        _print_archives(project)
        _print_disk(project)
    print("\nnext")
    for command, meaning in _next_commands(project, bool(steps)).items():
        print(f"  {command:<58}  {meaning}")


def _next_commands(project: Project, has_times: bool) -> dict[str, str]:
    """What to type next, by command."""
    scale = project.params.scale
    commands = {
        f"pointrend --scale {scale} doctor": "what this machine lacks for it",
        f"snakemake --cores all --config scale={scale}": "runs all of it",
    }
    if scale != "demo" and not has_times:
        timed = f"pointrend --scale {scale} plan --step-ms r50=MS"
        commands[timed] = "the hours, from what `pointrend bench step` gives on the GPU"
    return commands


def _print_archives(project: Project) -> None:
    print(f"\n{'archives':<44}{'download':>14}  state")
    backbones = (f"backbone_{backbone}" for backbone in project.params.backbones)
    released = (f"released_{run}" for run in project.released_runs)
    for name in (*project.params.datasets, *backbones, *released):
        for pin in project.archives_of(name):
            print(_archive_line(project, name, pin))


def _print_disk(project: Project) -> None:
    print(f"\n{'prepared data':<32}{'raw':>14}{'compact':>18}  chosen: {project.store_form}")
    total = dict.fromkeys(BYTES_PER_PIXEL, 0.0)
    for name in project.params.datasets:
        disk = {form: project.prepared_bytes(name, form) for form in BYTES_PER_PIXEL}
        total = {form: total[form] + disk[form] for form in total}
        print(_disk_line(name, disk))
    print(_disk_line("together", total))
    # DVC copies the archives, which lie in data/archives/ as well, and links the rest where it can.
    archives = project.about_bytes()
    copied = _gigabytes(archives + total[project.store_form])
    sizes = f"{'about ' + _gigabytes(archives):>14}  with reflinks or hard links, else {copied}; only with DVC"
    print(f"\n{'dvc cache':<32}{sizes}")


def _disk_line(name: str, disk: Mapping[str, float]) -> str:
    return f"{name:<32}{'about ' + _gigabytes(disk['raw']):>14}{'about ' + _gigabytes(disk['compact']):>18}"


def _print_costs(project: Project, steps: Mapping[str, float], source: str) -> None:
    samples = sample_times(project.root / "benchmarks")
    print(f"\n{HEADING}")
    for name, step_ms in steps.items():
        setting = project.setting(name)
        iterations = _epoch_iterations(project, setting) * setting.recipe.epochs
        print(cost_line(name, setting, iterations, step_ms, samples.get(setting.dataset)))
    print(f"{EXPLANATION}\nsteps: {source}")


def _epoch_iterations(project: Project, setting: RunSetting) -> int:
    kept = project.kept_images(setting.dataset)["train"]
    return iterations_per_epoch(kept, setting.recipe.gpus, setting.recipe.batch_size)


def _run_line(project: Project, name: str) -> str:
    setting = project.setting(name)
    recipe, each = setting.recipe, _epoch_iterations(project, setting)
    reasons = ", ".join(wanted_reasons(project, setting))
    processes = "CPU" if recipe.device == "cpu" and recipe.gpus == 1 else recipe.gpus
    numbers = f"{processes:>5}{recipe.batch_size:>7}{recipe.epochs:>8}{each:>10}{each * recipe.epochs:>12}"
    return f"{name:<16}{numbers}  {'no: ' + reasons if reasons else 'yes'}"


def _archive_line(project: Project, name: str, pin: Archive) -> str:
    size = _gigabytes(pin.bytes) if pin.bytes else f"about {project.about_bytes(pin) / 1e9} GB"
    state = (
        "to download"
        if project.urls(pin.name)
        else "needs an account"
        if name == WITH_ACCOUNT
        else "no URL; put it at hand"
    )
    here = (project.archives_folder / pin.name).exists()
    return f"{pin.name:<44}{size:>14}  {'here' if here else state}"


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.2f} GB"
