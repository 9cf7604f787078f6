"""Write trained weights to a file that can be used elsewhere.

A .pth file is a checkpoint with SSSegmentation's format and key names. A .safetensors file states
its run, classes, network and mIoU, and pointrend.load reads it.

examples:
  pointrend export voc_r50 --seed 0 --out build/voc_r50.pth
  pointrend export voc_r50 --out build/voc_r50.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pointrend.commands.arguments import add_run, add_seed, check_out
from pointrend.errors import ParamsError
from pointrend.evaluation.described import MODEL, describe, read_training
from pointrend.files import write_bytes
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    add_run(parser)
    add_seed(parser)
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="a .pth or .safetensors file")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Export the weights that train.json names."""
    setting, seed, out = project.setting(arguments.run), arguments.seed, arguments.out
    if out.suffix not in (".pth", ".safetensors"):
        raise ParamsError(f"--out must end in .pth or .safetensors, got {out}", "the ending determines the format")
    check_out(project, out)
    folder = project.run_folder(setting.run, seed)
    do = f"run: pointrend --scale {setting.scale} train {setting.run} --seed {seed}"
    trained, _ = read_training(folder, do)
    if out.suffix == ".safetensors":
        write_bytes(out, describe(folder))
    else:
        from pointrend.evaluation.network import load_network
        from pointrend.model.weights import save_upstream

        model, _ = load_network(setting, folder / MODEL, project.params)
        save_upstream(model, out, trained.recipe.epochs)
    print(f"{out}: {setting.run} seed {seed} after {trained.recipe.epochs} epochs")
