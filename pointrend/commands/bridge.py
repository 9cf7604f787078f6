"""Tell one engine what the other has done, so that it does not do it again.

Refuses, with exit code 3, unless the other engine has nothing left to do and every file is what its manifest says.

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
    parser.add_argument("engine", choices=ENGINES, help="the engine to tell")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Tell it."""
    written = load_params(project.root / "params.yaml")
    if project.overrides or project.params.scale != written.scale:
        what = f"DVC runs what params.yaml says: scale {written.scale}, and nothing of --scale or --set"
        raise ParamsError(what, "write it into params.yaml")
    ENGINES[arguments.engine](project)
    print(f"{arguments.engine} has nothing to do at scale {project.params.scale}")
