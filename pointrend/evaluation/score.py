"""Scoring a run's weights, and the record of it: which weights, data, code and settings a score follows from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pointrend.checkout.code_digest import code_digest
from pointrend.checkout.machine import code_record, machine_record, precision_record
from pointrend.datasets.intact import check_split
from pointrend.datasets.registry import classes_of
from pointrend.datasets.store import Store
from pointrend.errors import CheckFailed, WeightsError
from pointrend.evaluation.boundary import dilation_ratio
from pointrend.evaluation.counts_file import SCORES
from pointrend.evaluation.evaluate import Scores, evaluate_split, write_evaluation
from pointrend.evaluation.network import load_network, scoring_device
from pointrend.files import sha256_file, write_json, write_sealed
from pointrend.model.inputs import TestTransform
from pointrend.settings.fingerprints import data_record, scoring_fingerprint
from pointrend.settings.params import RunSetting
from pointrend.settings.project import Project


def score(project: Project, setting: RunSetting, weights: Path) -> Scores:
    """Score a weights file on the val split with the published protocol (RECIPE sections 4 and 5)."""
    model, device = load_network(setting, weights, project.params)
    store, recipe = Store(project.data_folder(setting.dataset), "val"), setting.recipe
    transform, classes = TestTransform(recipe.base_size), classes_of(setting.dataset)
    ratio = dilation_ratio(setting.dataset)
    return evaluate_split(model, store, transform, device, classes, recipe.pictures, ratio, recipe.inference)


def score_and_write(
    project: Project,
    setting: RunSetting,
    weights: Path,
    sha256: str,
    folder: Path,
    again: str,
    train: tuple[Path, dict[str, Any]] | None = None,
) -> None:
    """Score ``weights`` and leave metrics.json and what belongs to it in ``folder``, evaluate.json last.

    ``train``: train.json of weights that were trained here, and its content; None for released weights. ``again`` is
    the command that makes the weights.

    Raises:
        WeightsError: the weights are not there, or do not fit the network.
        CheckFailed: the weights are not those with this ``sha256``, the data are not those that their manifest names,
            or either was exchanged meanwhile.
    """
    fingerprint = scoring_fingerprint(project, setting, sha256)
    data, code = data_record(project, setting.dataset), code_record(code_digest("evaluate", setting.dataset))
    if not weights.is_file():
        raise WeightsError(f"{weights} is not there", again)
    if sha256_file(weights) != sha256:
        raise CheckFailed(f"{weights} has another sha256 than when it was made", f"restore it, or {again}")
    prepared = project.data_folder(setting.dataset)
    check_split(prepared, "val")
    scores = score(project, setting, weights)
    check_split(prepared, "val")  # once more: it was read while it was scored
    after = scoring_fingerprint(project, setting, sha256_file(weights)), data_record(project, setting.dataset)
    if after != (fingerprint, data):
        raise CheckFailed(f"the weights or the data of {setting.run} were exchanged while it was scored", "score again")
    made_from = {"fingerprint": fingerprint if train is None else train[1]["fingerprint"], "model_sha256": sha256}
    write_evaluation(folder, scores, made_from)
    write_json(folder / "scores.json", {key: scores.metrics[key] for key in SCORES})
    record = {
        "run": setting.run,
        "seed": None if train is None else train[1]["seed"],
        "scale": setting.scale,
        "fingerprint": fingerprint,
        "train_sha256": None if train is None else sha256_file(train[0]),
        "setting": setting.model_dump(mode="json"),
        **data,
        **code,
        "machine": machine_record(scoring_device(setting)),
        "precision": precision_record("bf16" if setting.recipe.inference == "bf16" else "float32"),
        "model_sha256": sha256,
        "metrics_sha256": sha256_file(folder / "metrics.json"),
    }
    write_sealed(folder / "evaluate.json", record)
