"""Scoring a run's weights, and the record of it: which weights, data, code and settings a score follows from."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from pointrend.checkout.code_digest import code_digest
from pointrend.checkout.machine import code_record, machine_record, precision_record
from pointrend.datasets.intact import check_split
from pointrend.datasets.registry import classes_of
from pointrend.datasets.store import Store
from pointrend.errors import CheckFailed, WeightsError
from pointrend.evaluation.boundary import dilation_ratio
from pointrend.evaluation.evaluate import Scores, evaluate_split, write_evaluation
from pointrend.evaluation.network import load_network, scoring_device
from pointrend.evaluation.shown import scores_text
from pointrend.files import is_sealed, read_json, sha256_file, write_sealed
from pointrend.logs import log_to_file
from pointrend.model.inputs import TestTransform
from pointrend.settings.fingerprints import data_record, released_sha256, scoring_fingerprint
from pointrend.settings.params import RunSetting
from pointrend.settings.project import Project

log = logging.getLogger(__name__)


def score(project: Project, setting: RunSetting, weights: Path) -> Scores:
    """Score a weights file on the val split with the published protocol (RECIPE sections 4 and 5)."""
    model, device = load_network(setting, weights, project.params)
    store, recipe = Store(project.data_folder(setting.dataset), "val"), setting.recipe
    transform, classes = TestTransform(recipe.base_size), classes_of(setting.dataset)
    ratio = dilation_ratio(setting.dataset)
    return evaluate_split(model, store, transform, device, classes, recipe.pictures, ratio, recipe.inference)


def score_trained(project: Project, setting: RunSetting, seed: int) -> None:
    """Score the weights that train.json names, into the folder of the run.

    Raises:
        WeightsError: train.json or the weights are missing.
        CheckFailed: train.json was edited or is of another training, or as in :func:`_score_and_write`.
    """
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
    train["train_sha256"] = sha256_file(train_file)
    _score_and_write(project, setting, folder / "model.safetensors", train["model_sha256"], folder, do, train)


def score_released(project: Project, setting: RunSetting) -> None:
    """Score the fetched released weights of a run, into a folder of their own; errors as :func:`score_trained`."""
    weights = project.fetched_file(f"released_{setting.run}", project.released_weights(setting.run).name)
    log_to_file(project.log_file(f"evaluate-{setting.run}-released"))
    sha256 = released_sha256(project, setting)
    do = f"run: pointrend --scale {setting.scale} fetch released_{setting.run}"
    _score_and_write(project, setting, weights, sha256, project.released_folder(setting.run), do, {})


def _score_and_write(
    project: Project, setting: RunSetting, weights: Path, sha256: str, folder: Path, again: str, train: dict[str, Any]
) -> None:
    """Score ``weights`` and write metrics.json and the files it names to ``folder``, evaluate.json last.

    ``train`` is the content of train.json and its sha256; nothing for released weights. ``again`` is the command that
    makes the weights.

    Raises:
        WeightsError: the weights do not exist, or do not fit the network.
        CheckFailed: the weights do not have this ``sha256``, the data do not match their manifest, or either was
            exchanged meanwhile.
    """
    fingerprint = scoring_fingerprint(project, setting, sha256)
    data, code = data_record(project, setting.dataset), code_record(code_digest("evaluate", setting.dataset))
    if not weights.is_file():
        raise WeightsError(f"{weights} does not exist", again)
    if sha256_file(weights) != sha256:
        raise CheckFailed(f"{weights} has a different sha256 than when it was made", f"restore it, or {again}")
    prepared = project.data_folder(setting.dataset)
    check_split(prepared, "val")
    scores = score(project, setting, weights)
    check_split(prepared, "val")  # once more: it was read while it was scored
    after = scoring_fingerprint(project, setting, sha256_file(weights)), data_record(project, setting.dataset)
    if after != (fingerprint, data):
        raise CheckFailed(f"the weights or the data of {setting.run} changed while it was scored", "score again")
    write_evaluation(folder, scores, {"fingerprint": train.get("fingerprint", fingerprint), "model_sha256": sha256})
    record = {
        "run": setting.run,
        "seed": train.get("seed"),
        "scale": setting.scale,
        "fingerprint": fingerprint,
        "train_sha256": train.get("train_sha256"),
        "setting": setting.model_dump(mode="json"),
        **data,
        **code,
        "machine": machine_record(scoring_device(setting)),
        "precision": precision_record("bf16" if setting.recipe.inference == "bf16" else "float32"),
        "model_sha256": sha256,
        "metrics_sha256": sha256_file(folder / "metrics.json"),
    }
    write_sealed(folder / "evaluate.json", record)
    log.info("%s", scores_text(scores.metrics, folder))
