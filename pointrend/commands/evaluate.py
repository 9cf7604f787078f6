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

from pointrend.commands.arguments import add_run, add_seed, check_out, folder
from pointrend.errors import CheckFailed, ParamsError, WeightsError
from pointrend.files import is_sealed, read_json, sha256_file
from pointrend.logs import log_to_file
from pointrend.settings.fingerprints import prepared, released_sha256
from pointrend.settings.params import RunSetting
from pointrend.settings.project import Project


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
    if arguments.out is not None:
        check_out(project, arguments.out)
    if arguments.released and arguments.weights is not None:
        raise ParamsError("--released and --weights name two files", "leave one of them out")
    if arguments.released:
        _evaluate_released(project, setting)
        return
    prepared(project, setting.dataset)
    if arguments.weights is None:
        _evaluate_trained(project, setting, arguments.seed)
    else:
        _evaluate_file(project, setting, arguments.weights, arguments.out)


def _evaluate_trained(project: Project, setting: RunSetting, seed: int) -> None:
    from pointrend.evaluation.score import score_and_write

    log_to_file(project.log_file(f"evaluate-{setting.run}-s{seed}"))
    folder = project.run_folder(setting.run, seed)
    do = f"run: pointrend --scale {setting.scale} train {setting.run} --seed {seed}"
    train_file = folder / "train.json"
    train = read_json(train_file, WeightsError, do, keys=("run", "seed", "fingerprint", "model_sha256"))
    if not is_sealed(train):
        raise CheckFailed(f"{train_file} is not as it was written", f"restore it, or {do}")
    if (train["run"], train["seed"]) != (setting.run, seed):
        what = f"{train_file} is of run {train['run']} seed {train['seed']}, not of run {setting.run} seed {seed}"
        raise CheckFailed(what, f"restore it, or {do}")
    weights = folder / "model.safetensors"
    score_and_write(project, setting, weights, train["model_sha256"], folder, do, (train_file, train))


def _evaluate_released(project: Project, setting: RunSetting) -> None:
    from pointrend.evaluation.score import score_and_write

    weights = project.fetched_file(f"released_{setting.run}", project.released_weights(setting.run).name)
    log_to_file(project.log_file(f"evaluate-{setting.run}-released"))
    sha256 = released_sha256(project, setting)
    do = f"run: pointrend --scale {setting.scale} fetch released_{setting.run}"
    score_and_write(project, setting, weights, sha256, project.released_folder(setting.run), do)


def _evaluate_file(project: Project, setting: RunSetting, weights: Path, out: Path | None) -> None:
    from pointrend.evaluation.evaluate import write_evaluation
    from pointrend.evaluation.score import score

    scores = score(project, setting, weights)
    if out is None:
        print(json.dumps(scores.metrics, indent=2))
    else:
        write_evaluation(out, scores, {"model_sha256": sha256_file(weights)})
