"""Score a trained run, its released weights, or a file, on the val pictures: one process, one whole picture at a time.

--released scores what `fetch released_RUN` got and writes to runs/<scale>/RUN-released/.
--weights scores a file (ours .safetensors, SSSegmentation's .pth) and writes to --out, or prints, never into runs/.

examples:
  pointrend evaluate voc_r50 --seed 0
  pointrend evaluate voc_r50 --weights runs/demo/voc_r50-s0/model.safetensors
  pointrend --scale paper evaluate voc_r50 --released
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pointrend.code_digest import code_digest
from pointrend.commands.arguments import add_run, add_seed, folder
from pointrend.errors import CheckFailed, ParamsError, WeightsError
from pointrend.files import read_json, sha256_file, write_json
from pointrend.logs import log_to_file
from pointrend.params import RunSetting
from pointrend.project import Project

SCORES = ("miou", "all_accuracy", "boundary_iou")
"""What metrics.json says in a few numbers, for tables that show every number of a file."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    add_run(parser)
    add_seed(parser)
    parser.add_argument("--released", action="store_true", help="score the released weights")
    parser.add_argument("--weights", metavar="FILE", type=Path, help="score this file instead")
    parser.add_argument(
        "--out", metavar="DIR", type=folder, help="with --weights: where to write; without, metrics.json is printed"
    )


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Score one run."""
    setting = project.setting(arguments.run)
    if arguments.out is not None and arguments.weights is None:
        raise ParamsError("--out goes with --weights", "leave it out: a trained run is written to its own folder")
    if arguments.released and arguments.weights is not None:
        raise ParamsError("--released and --weights name two files", "leave one of them out")
    if arguments.released:
        _evaluate_released(project, setting)
        return
    project.data_manifest(setting.dataset)
    if arguments.weights is None:
        _evaluate_trained(project, setting, arguments.seed)
    else:
        _evaluate_file(project, setting, arguments.weights, arguments.out)


def _evaluate_trained(project: Project, setting: RunSetting, seed: int) -> None:
    log_to_file(project.log_file(f"evaluate-{setting.run}-s{seed}"))
    folder = project.run_folder(setting.run, seed)
    do = f"run: pointrend --scale {setting.scale} train {setting.run} --seed {seed}"
    train = read_json(folder / "train.json", WeightsError, do, keys=("fingerprint", "model_sha256"))
    weights = folder / "model.safetensors"
    if weights.is_file() and sha256_file(weights) != train["model_sha256"]:
        raise CheckFailed(f"{weights} is not the one that train.json describes", f"restore it, or {do}")
    code = _code_record()
    scores = _score(project, setting, weights)
    scored = {"fingerprint": train["fingerprint"], "model_sha256": train["model_sha256"]}
    record = {"seed": seed, "train_sha256": sha256_file(folder / "train.json")}
    _write(folder, scores, scored, {**code, **_record(project, setting), **record})


def _evaluate_released(project: Project, setting: RunSetting) -> None:
    weights = project.fetched_file(f"released_{setting.run}", project.released_weights(setting.run).name)
    log_to_file(project.log_file(f"evaluate-{setting.run}-released"))
    expected = _released_sha256(project, setting)
    if not weights.is_file():
        raise WeightsError(f"{weights} is not there", _fetch_released(setting))
    if sha256_file(weights) != expected:
        raise CheckFailed(f"{weights} is not the file that was fetched", _fetch_released(setting))
    code = _code_record()
    scored = {
        "fingerprint": released_fingerprint(project, setting),
        "model_sha256": expected,
        "code_sha256": code_digest("evaluate"),
        "data_manifest_sha256": sha256_file(project.manifest(setting.dataset)),
    }
    scores = _score(project, setting, weights)
    _write(project.released_folder(setting.run), scores, scored, {**code, **_record(project, setting)})


def released_fingerprint(project: Project, setting: RunSetting) -> str:
    """What a score of the released weights that starts now would follow from.

    Raises:
        WeightsError: they have not been fetched.
        ResultsError: the data have not been prepared.
    """
    weights = _released_sha256(project, setting)
    data = project.data_manifest(setting.dataset)["content"]
    return setting.scoring_fingerprint(weights, data, code_digest("evaluate"))


def _released_sha256(project: Project, setting: RunSetting) -> str:
    manifest, name = project.fetched(f"released_{setting.run}"), project.released_weights(setting.run).name
    files = read_json(manifest, WeightsError, _fetch_released(setting))["files"]
    if name not in files:
        raise WeightsError(f"{manifest} does not list {name}", _fetch_released(setting))
    return str(files[name]["sha256"])


def _fetch_released(setting: RunSetting) -> str:
    return f"run: pointrend --scale {setting.scale} fetch released_{setting.run}"


def _write(folder: Path, scores: Any, scored: dict[str, str], record: dict[str, Any]) -> None:
    """Leave what evaluating leaves, scores.json for tables that show every number of a file, and evaluate.json last."""
    from pointrend.evaluation.evaluate import write_evaluation

    write_evaluation(folder, scores, scored)
    write_json(folder / "scores.json", {key: scores.metrics[key] for key in SCORES})
    made = {"model_sha256": scored["model_sha256"], "metrics_sha256": sha256_file(folder / "metrics.json")}
    write_json(folder / "evaluate.json", record | made)


def _code_record() -> dict[str, Any]:
    from pointrend.training.record import code_record

    return code_record(code_digest("evaluate"))


def _record(project: Project, setting: RunSetting) -> dict[str, Any]:
    """What is written down of a scoring apart from metrics.json, which says nothing of machines."""
    from pointrend.commands.loaded import scoring_device
    from pointrend.training.record import machine_record, precision_record

    return {
        "run": setting.run,
        "scale": setting.scale,
        "setting": setting.model_dump(mode="json"),
        **project.data_record(setting.dataset),
        "machine": machine_record(scoring_device(setting)),
        "precision": precision_record("bf16" if setting.recipe.inference == "bf16" else "float32"),
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
    from pointrend.datasets.registry import classes_of
    from pointrend.datasets.store import Store
    from pointrend.datasets.transforms import TestTransform
    from pointrend.evaluation.boundary import dilation_ratio
    from pointrend.evaluation.evaluate import evaluate_split

    model, device = load_network(setting, weights)
    store = Store(project.data_folder(setting.dataset), "val")
    transform = TestTransform(setting.recipe.base_size)
    classes = classes_of(setting.dataset)
    ratio = dilation_ratio(setting.dataset)
    recipe = setting.recipe
    return evaluate_split(model, store, transform, device, classes, recipe.pictures, ratio, recipe.inference)
