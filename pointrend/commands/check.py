"""Compare what this machine computes with numbers from the original implementation: transforms, forward pass, chosen
points, losses, gradients, ten training steps and the metric, on the CPU and every GPU, in every precision.

Takes a minute; run it before you spend weeks of GPU time. The exit code is 3 if float32 is not met. The record in
logs/checks/ goes into the train.json of every training on a machine of this kind.

examples:
  pointrend check
  pointrend check --unless-checked
"""

from __future__ import annotations

import argparse

from pointrend.errors import CheckFailed
from pointrend.files import write_json
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    help_text = "do nothing if this code has been checked on machines like this one and all its devices"
    parser.add_argument("--unless-checked", action="store_true", help=help_text)


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Compare, print the table and write the record.

    Raises:
        CheckFailed: a number in float32 is further from the original's than its tolerance.
    """
    from pointrend.check.compare import HEAD, devices, places, record, rows
    from pointrend.checkout.machine import machine_record
    from pointrend.checkout.numbers import check_file, numbers_checked

    machines = {str(device): machine_record(device) for device in devices()}
    if arguments.unless_checked and all(numbers_checked(project.root, machine) for machine in machines.values()):
        return
    for name, machine in machines.items():
        print(f"{name}: {machine['device']}, torch {machine['torch']}, {machine['threads']} CPU threads")
    print(HEAD)
    compared = []
    for place in places():
        for row in rows(place):
            print(row.line(), flush=True)
            compared.append(row)
    for row in compared:
        if not row.met:
            print(row.problem())
    found, path = record(compared), check_file(project.root)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, found)
    if not found["met"]:
        failed = ", ".join(dict.fromkeys(row.device for row in compared if row.precision == "float32" and not row.met))
        do = "install the versions of requirements.lock, unset variables that change arithmetic, and check again"
        raise CheckFailed(f"float32 on {failed} does not give the original's numbers", do)
    print(f"float32 is met; written to {path}")
