"""Label an image, or every image in a folder.

Writes two PNGs of the size of each image: <stem>.png with train ids,
and <stem>_color.png with the same in colours.

examples:
  pointrend predict voc_r50 --weights a.pth --images a.jpg --out out --overlay
  pointrend predict voc_r50 --weights voc.safetensors --images docs --out labels
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from pointrend.commands.arguments import add_run, check_out, folder
from pointrend.settings.project import Project

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    add_run(parser)
    parser.add_argument(
        "--weights", metavar="FILE", type=Path, required=True, help="our .safetensors or SSSegmentation's .pth"
    )
    parser.add_argument("--images", metavar="PATH", type=Path, required=True, help="an image or a folder of images")
    parser.add_argument("--out", metavar="DIR", type=folder, required=True, help="the folder to write to")
    parser.add_argument("--overlay", action="store_true", help="also write <stem>_overlay.jpg")
    raw = "number classes as the benchmark's server does: Cityscapes 7..33, ADE20K 1..150"
    parser.add_argument("--raw-values", action="store_true", help=raw)


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Predict all images of a folder."""
    from pointrend.datasets.registry import classes_of
    from pointrend.evaluation.network import load_network
    from pointrend.evaluation.predict import predict_images
    from pointrend.model.inputs import TestTransform

    setting = project.setting(arguments.run)
    check_out(project, arguments.out)
    model, device = load_network(setting, arguments.weights, project.params)
    transform, classes = TestTransform(setting.recipe.base_size), classes_of(setting.dataset)
    if setting.scale == "demo":
        log.warning("networks of the demo only know the images that the demo draws")
    how = {"overlay": arguments.overlay, "raw_values": arguments.raw_values, "inference": setting.recipe.inference}
    count = predict_images(model, transform, arguments.images, arguments.out, classes, device, **how)
    print(f"{arguments.out}: label maps of {count} image(s)")
