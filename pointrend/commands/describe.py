"""Count the images, the pixels of each class, and the image sizes of a prepared dataset.

--pictures writes a page of images with their labels, and of augmented
training crops.

examples:
  pointrend describe voc --json
  pointrend describe voc --pictures
  pointrend --scale paper describe voc --croissant
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pointrend.commands.arguments import add_dataset, check_out
from pointrend.datasets.registry import classes_of
from pointrend.errors import DatasetError, ParamsError
from pointrend.files import read_json, write_text
from pointrend.results.croissant import croissant
from pointrend.settings.project import Project
from pointrend.terminal import table

DESCRIBED = ("dataset", "pins", "content", "archives", "files", "splits")  # keys of manifest.json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    add_dataset(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print as JSON")
    form.add_argument("--croissant", action="store_true", help="print the dataset's Croissant metadata (JSON-LD)")
    page = "write one HTML page; default: build/DATASET.html"
    form.add_argument("--pictures", nargs="?", const="", metavar="FILE", help=page)


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Print the description."""
    from pointrend.datasets.prepare.prepare import describe

    name = project.params.known("dataset", arguments.dataset, project.params.datasets)
    page = Path(arguments.pictures or f"build/{name}.html")
    if page.suffix != ".html":
        raise ParamsError(f"{page} does not end in .html", "name another file with --pictures")
    check_out(project, page)
    do = f"run: pointrend --scale {project.params.scale} prepare {name}"
    manifest = read_json(project.manifest(name), DatasetError, do, keys=DESCRIBED)
    if arguments.croissant:
        print(json.dumps(croissant(project, manifest), indent=2, ensure_ascii=False))
        return
    found = describe(project.data_folder(name))
    if arguments.pictures is not None:
        from pointrend.commands.dataset_page import dataset_page

        write_text(page, dataset_page(project, name, found))
        print(page)
        return
    print(json.dumps(found, indent=2) if arguments.json else describe_text(found))


def describe_text(description: Mapping[str, Any]) -> str:
    """The description as lines to read: sizes per split, then the share of every class in the labelled pixels."""
    classes = classes_of(description["dataset"])
    splits = description["splits"]
    lines = [f"{classes.title}, archives verified against: {description['pins']}"]
    for split, found in splits.items():
        sizes = ", ".join(
            "{} {min} to {max} (median {median})".format(side, **found[side]) for side in ("height", "width")
        )
        lines.append(f"{split}: {found['images']} images, {sizes}")
    totals = {split: sum(found["pixels"].values()) for split, found in splits.items()}
    rows: list[tuple[object, ...]] = [("pixels", "", *splits)]
    for train_id, name in [*enumerate(classes.names), ("ignore", "")]:
        counts = {split: found["pixels"][str(train_id)] for split, found in splits.items()}
        shares = (f"{count:,} ({100 * count / totals[split]:.2f} %)" for split, count in counts.items())
        rows.append((train_id, name, *shares))
    return "\n".join([*lines, "", table(rows, "><>")])
