"""Print the state of every training of the scale: waiting, running, failed, or done with its mIoU.

Of a running one also where it runs, since when, its iteration, its loss and the time that is left; of a failed one why.
Seeds are those of params.yaml and all that were ever started here. Where Slurm is installed its queue is asked, too.

examples:
  pointrend status
  pointrend --scale paper --set gpus=8 status
"""

from __future__ import annotations

import argparse

from pointrend.engines.status import status
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Print the states of the current scale."""
    print("\n".join(status(project)))
