"""Label every image in a folder.

Writes an 8-bit PNG of train ids at each image's own size; with --overlay also a JPEG to look at.

examples:
  pointrend predict voc_r50 --weights voc.safetensors --images docs --out labels
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pointrend.commands.arguments import add_run, check_out, folder
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    add_run(parser)
    parser.add_argument(
        "--weights", metavar="FILE", type=Path, required=True, help="our .safetensors or SSSegmentation's .pth"
    )
    parser.add_argument("--images", metavar="DIR", type=Path, required=True, help="a folder of images")
    parser.add_argument("--out", metavar="DIR", type=folder, required=True, help="folder for <stem>.png")
    parser.add_argument("--overlay", action="store_true", help="also write <stem>_overlay.jpg")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Predict all images of a folder."""
    from pointrend.datasets.registry import classes_of
    from pointrend.evaluation.network import load_network
    from pointrend.evaluation.predict import predict_folder
    from pointrend.model.inputs import TestTransform

    setting = project.setting(arguments.run)
    check_out(project, arguments.out)
    model, device = load_network(setting, arguments.weights, project.params)
    transform, classes = TestTransform(setting.recipe.base_size), classes_of(setting.dataset)
    images, out, overlay, inference = arguments.images, arguments.out, arguments.overlay, setting.recipe.inference
    count = predict_folder(model, transform, images, out, classes, overlay, device, inference)
    print(f"{arguments.out}: label maps of {count} image(s)")
