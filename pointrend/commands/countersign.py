"""Score the weights of a crate yourself, and add your score to it.

This needs the same weights and prepared data, but no training. What is in the crate stays as it is; your score
gets its own manifest and signature.

examples:
  pointrend countersign results.crate.zip voc_r50 --sign ~/.ssh/id_ed25519
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from pointrend.files import sha256_file
from pointrend.settings.fingerprints import data_record
from pointrend.settings.params import RunSetting
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    parser.add_argument("crate", metavar="CRATE", type=Path, help="a file written by `pointrend crate`")
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs="+",
        help="a run to score: every seed in the crate whose weights are on this machine",
    )
    parser.add_argument("--sign", metavar="KEY", type=Path, help="sign your score with this OpenSSH key")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Score, and add the counts."""
    from pointrend.results.crate.build import read_crate
    from pointrend.results.crate.countersign import add, weights_here
    from pointrend.results.crate.signing import public_key

    who = public_key(arguments.sign)  # a wrong key is an error now, not after hours
    crate = read_crate(arguments.crate)
    chosen = list(weights_here(project, crate, arguments.runs))
    scores = {name: _scored(project, setting, weights) for name, setting, weights in chosen}
    print("\n".join(add(arguments.crate, scores, arguments.sign, who)))


def _scored(project: Project, setting: RunSetting, weights: Path) -> tuple[dict[str, Any], bytes]:
    """The record of a score made here, and its confusion.parquet."""
    from pointrend.checkout.code_digest import code_digest
    from pointrend.checkout.machine import code_record, machine_record, precision_record
    from pointrend.datasets.intact import check_split
    from pointrend.evaluation.counts_file import counts_table, write_counts
    from pointrend.evaluation.network import scoring_device
    from pointrend.evaluation.score import score

    check_split(project.data_folder(setting.dataset), "val")
    scores = score(project, setting, weights)
    with tempfile.TemporaryDirectory(prefix="pointrend-") as folder:
        write_counts(Path(folder) / "counts", counts_table(scores.counts, len(scores.metrics["iou"])))
        counts = (Path(folder) / "counts").read_bytes()
    record = {
        "miou": scores.metrics["miou"],
        "model_sha256": sha256_file(weights),
        "machine": machine_record(scoring_device(setting)),
        "precision": precision_record("bf16" if setting.recipe.inference == "bf16" else "float32"),
        **data_record(project, setting.dataset),
        **code_record(code_digest("evaluate", setting.dataset)),
    }
    return record, counts
