"""Say what a scale would run before it runs: iterations of every run, what is to be downloaded, what disk it takes.

example: pointrend --scale paper plan
"""

from __future__ import annotations

import argparse

from pointrend.commands.plan_slurm import print_slurm_jobs
from pointrend.params import ArchivePin
from pointrend.project import Project
from pointrend.training.schedule import iterations_per_epoch

BYTES_PER_PIXEL = 4
"""Of the prepared form: three of the picture, one of the label."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    parser.add_argument("--slurm", action="store_true", help="the jobs that --profile slurm would submit")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Print the plan of the current scale."""
    if arguments.slurm:
        print_slurm_jobs(project)
        return
    print(f"scale {project.params.scale}, archives {project.archive_set}\n")
    print(f"{'run':<16}{'GPUs':>5}{'batch':>7}{'epochs':>8}{'it/epoch':>10}{'iterations':>12}  comparable")
    for name in project.params.runs:
        print(_run_line(project, name))
    print(f"\n{'archives':<32}{'download':>14}  state")
    if project.scale.data == "drawn":
        print("drawn by the project itself, a few MB")
    else:
        for name in (*project.params.datasets, *(f"backbone_{backbone}" for backbone in project.params.backbones)):
            for pin in project.archives_of(name):
                print(_archive_line(project, pin))
    if project.scale.data == "drawn":
        return
    print(f"\n{'prepared data':<32}{'disk':>14}")
    total = 0.0
    for name, dataset in project.params.datasets.items():
        kept = sum(min(count, project.scale.limit or count) for count in (dataset.images.train, dataset.images.val))
        disk = kept * dataset.about_megapixels * 1e6 * BYTES_PER_PIXEL
        total += disk
        print(f"{name:<32}{'about ' + _gigabytes(disk):>14}")
    # DVC copies the archives, which lie in data/archives/ as well, and links the rest where it can.
    archives = sum(place.about_gb * 1e9 for place in project.params.places.values())
    sizes = f"{'about ' + _gigabytes(archives):>14}  with reflinks or hard links, else {_gigabytes(archives + total)}"
    print(f"\n{'dvc cache':<32}{sizes}")


def _run_line(project: Project, name: str) -> str:
    setting = project.setting(name)
    recipe, images = setting.recipe, project.expected_images(setting.dataset).train
    each = iterations_per_epoch(min(images, project.scale.limit or images), recipe.gpus, recipe.batch_size)
    reasons = ", ".join(project.not_comparable(setting))
    numbers = f"{recipe.gpus:>5}{recipe.batch_size:>7}{recipe.epochs:>8}{each:>10}{each * recipe.epochs:>12}"
    return f"{name:<16}{numbers}  {'no: ' + reasons if reasons else 'yes'}"


def _archive_line(project: Project, pin: ArchivePin) -> str:
    place = project.params.places[pin.name]
    size = _gigabytes(pin.bytes) if pin.bytes else f"about {place.about_gb} GB"
    here = (project.archives_folder / pin.name).exists()
    return f"{pin.name:<32}{size:>14}  {'here' if here else 'to download' if place.urls else 'needs an account'}"


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.2f} GB"
