"""Count the images, the pixels of each class, and the image sizes of a prepared dataset.

examples:
  pointrend describe voc --json
"""

from __future__ import annotations

import argparse
import json

from pointrend.commands.arguments import add_dataset
from pointrend.errors import DatasetError
from pointrend.files import read_json
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    add_dataset(parser)
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Print the description."""
    from pointrend.datasets.prepare.prepare import describe, describe_text

    name = project.params.known("dataset", arguments.dataset, project.params.datasets)
    do = f"run: pointrend --scale {project.params.scale} prepare {name}"
    read_json(project.manifest(name), DatasetError, do)
    found = describe(project.data_folder(name))
    print(json.dumps(found, indent=2) if arguments.json else describe_text(found))
