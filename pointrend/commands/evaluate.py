"""Score a trained run, or a weights file, on the val pictures: one process, one whole picture at a time.

--weights scores a file (ours .safetensors, SSSegmentation's .pth) and writes to --out, or prints, never into runs/.

example: pointrend evaluate voc_r50 --seed 0
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pointrend.code_digest import code_digest
from pointrend.errors import ParamsError, WeightsError
from pointrend.files import read_json, sha256_file, write_json
from pointrend.logs import log_to_file
from pointrend.params import RunSetting
from pointrend.project import Project

SCORES = ("miou", "all_accuracy", "boundary_iou")
"""What metrics.json says in a few numbers, for tables that show every number of a file."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", metavar="FILE", type=Path)
    parser.add_argument("--out", metavar="DIR", type=Path, help="with --weights: where to write")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Score one run."""
    setting = project.setting(arguments.run)
    if arguments.out is not None and arguments.weights is None:
        raise ParamsError("--out goes with --weights", "leave it out: a trained run is written to its own folder")
    project.data_manifest(setting.dataset)
    if arguments.weights is None:
        _evaluate_trained(project, setting, arguments.seed)
    else:
        _evaluate_file(project, setting, arguments.weights, arguments.out)


def _evaluate_trained(project: Project, setting: RunSetting, seed: int) -> None:
    from pointrend.evaluation.evaluate import write_evaluation
    from pointrend.training.record import code_record

    log_to_file(project.log_file(f"evaluate-{setting.run}-s{seed}"))
    folder = project.run_folder(setting.run, seed)
    do = f"run: pointrend --scale {setting.scale} train {setting.run} --seed {seed}"
    train = read_json(folder / "train.json", WeightsError, do)
    code = code_record(code_digest("evaluate"))
    scores = _score(project, setting, folder / "model.safetensors")
    extra = {"fingerprint": train["fingerprint"], "model_sha256": train["model_sha256"]}
    write_evaluation(folder, scores, extra)
    write_json(folder / "scores.json", {key: scores.metrics[key] for key in SCORES})
    made_from = {f"{name}_sha256": sha256_file(folder / f"{name}.json") for name in ("train", "metrics")}
    record = {"seed": seed, "model_sha256": train["model_sha256"], **made_from}
    write_json(folder / "evaluate.json", {**code, **_record(project, setting), **record})


def _record(project: Project, setting: RunSetting) -> dict[str, Any]:
    """What is written down of a scoring apart from metrics.json, which is the same on every machine."""
    from pointrend.commands.loaded import scoring_device
    from pointrend.training.record import machine_record, precision_record

    return {
        "run": setting.run,
        "scale": setting.scale,
        "setting": setting.model_dump(mode="json"),
        **project.data_record(setting.dataset),
        "machine": machine_record(scoring_device(setting)),
        "precision": precision_record(),
    }


def _evaluate_file(project: Project, setting: RunSetting, weights: Path, out: Path | None) -> None:
    from pointrend.evaluation.evaluate import write_evaluation

    scores = _score(project, setting, weights)
    if out is None:
        print(json.dumps(scores.metrics, indent=2))
    else:
        write_evaluation(out, scores, {"model_sha256": sha256_file(weights)})


def _score(project: Project, setting: RunSetting, weights: Path) -> Any:
    from pointrend.commands.loaded import load_network
    from pointrend.datasets.classes import CLASSES
    from pointrend.datasets.store import Store
    from pointrend.datasets.transforms import TestTransform
    from pointrend.evaluation.boundary import dilation_ratio
    from pointrend.evaluation.evaluate import evaluate_split

    model, device = load_network(setting, weights)
    store = Store(project.data_folder(setting.dataset), "val")
    transform = TestTransform(setting.recipe.base_size)
    classes = CLASSES[setting.dataset]
    ratio = dilation_ratio(setting.dataset)
    return evaluate_split(model, store, transform, device, classes, setting.recipe.pictures, ratio)
