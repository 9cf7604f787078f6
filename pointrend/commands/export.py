"""Export trained weights for use elsewhere.

A .pth file is a checkpoint with SSSegmentation's format and key names. A .safetensors file states
its run, classes, network and mIoU, and pointrend.load reads it. For a model hub, name a folder: it gets that
file, a model card with the score and its verdict, and the counts behind the score.

examples:
  pointrend export voc_r50 --seed 0 --out build/voc_r50.pth
  pointrend export voc_r50 --out build/voc_r50.safetensors
  pointrend export voc_r50 --out build/voc_r50
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from pointrend.commands.arguments import add_run, add_seed, check_out
from pointrend.errors import CheckFailed, ParamsError
from pointrend.evaluation.described import MODEL, describe, read_training
from pointrend.files import sha256_file, write_bytes, write_text
from pointrend.results.cards import model_card, scored_row
from pointrend.results.chain import COUNTS, METRICS
from pointrend.results.compare import read_results
from pointrend.results.published import load_published
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    add_run(parser)
    add_seed(parser)
    parser.add_argument(
        "--out", metavar="FILE", type=Path, required=True, help="a .pth or .safetensors file, or a folder"
    )


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Export the weights that train.json names."""
    setting, seed, out = project.setting(arguments.run), arguments.seed, arguments.out
    if out.suffix not in ("", ".pth", ".safetensors"):
        raise ParamsError(f"--out must end in .pth or .safetensors, or be a folder, got {out}", "correct the ending")
    if not out.suffix and out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ParamsError(f"--out {out} already exists", "name a new or an empty folder")
    check_out(project, out)
    folder = project.run_folder(setting.run, seed)
    do = f"run: pointrend --scale {setting.scale} train {setting.run} --seed {seed}"
    trained, _ = read_training(folder, do)
    if out.suffix == ".safetensors":
        write_bytes(out, describe(folder))
    elif out.suffix == ".pth":
        from pointrend.evaluation.network import load_network
        from pointrend.model.weights import save_upstream

        model, _ = load_network(setting, folder / MODEL, project.params)
        save_upstream(model, out, trained.recipe.epochs)
    else:
        _write_upload(project, folder, arguments.run, seed, out)
    print(f"{out}: {setting.run} seed {seed} after {trained.recipe.epochs} epochs")


def _write_upload(project: Project, folder: Path, run: str, seed: int, out: Path) -> None:
    """The weights, their card, metrics.json and the counts: all or none of them.

    Raises:
        ResultsError: results.json has no score of this training.
        CheckFailed: a file or the weights are not those that results.json names.
    """
    results = read_results(project.results_folder / "results.json")
    row = scored_row(results, run, seed)
    published = load_published(project.published_folder, project.params.scale)
    published.check(results)
    for name in (METRICS, COUNTS, MODEL):
        if not (folder / name).is_file() or sha256_file(folder / name) != row["hashes"][name]:
            raise CheckFailed(f"{folder / name} is not the one that results.json names", "run `pointrend compare`")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as temporary:
        new = Path(temporary) / out.name
        for name in (METRICS, COUNTS):
            write_bytes(new / name, (folder / name).read_bytes())
        write_bytes(new / MODEL, describe(folder))
        write_text(new / "README.md", model_card(results, row, published))
        new.replace(out)
