"""Record in one engine what the other has done, so that it is not done again.

Fails with exit code 3 if the other engine still has work to do, or if a file differs from its record.

examples:
  pointrend bridge dvc
  pointrend bridge snakemake
"""

from __future__ import annotations

import argparse

from pointrend.engines.bridge import tell_dvc, tell_snakemake
from pointrend.errors import ParamsError
from pointrend.settings.params import load_params
from pointrend.settings.project import Project

ENGINES = {"dvc": tell_dvc, "snakemake": tell_snakemake}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    parser.add_argument("engine", choices=ENGINES, help="the engine that takes over the results")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Have the engine take over the results."""
    written = load_params(project.root / "params.yaml")
    if project.overrides or project.params.scale != written.scale:
        what = f"DVC runs the setting in params.yaml: scale {written.scale}, without --scale and --set"
        raise ParamsError(what, "write it into params.yaml")
    ENGINES[arguments.engine](project)
    print(f"{arguments.engine} has nothing to do at scale {project.params.scale}")
