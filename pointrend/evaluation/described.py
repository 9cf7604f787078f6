"""Weights files that state what they are; no torch is needed to write one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors.numpy

from pointrend.datasets.registry import classes_of
from pointrend.errors import CheckFailed, WeightsError
from pointrend.files import read_json, sha256_file
from pointrend.settings.params import RunSetting
from pointrend.settings.validation import validated

MODEL, TRAIN = "model.safetensors", "train.json"
STATED = ("run", "seed", "scale", "fingerprint", "model_sha256")  # keys of train.json that describe the weights
NAME = "name the folder of a finished training, such as runs/paper/voc_r50-s0"
DESCRIPTION = "pointrend"  # key of the metadata of a .safetensors file, whose value is the description as JSON


def describe(folder: Path) -> bytes:
    """The weights of the training in ``folder`` as a .safetensors file that states what it is, for ``pointrend.load``.

    Its metadata are run, seed, scale, fingerprint, dataset, names of the classes, the whole setting, the sha256 of the
    undescribed file, and the mIoU in percent where these weights were scored. Errors as in :func:`read_training`.
    """
    setting, train = read_training(folder)
    stated = {key: train[key] for key in STATED}
    network = {"dataset": setting.dataset, "classes": classes_of(setting.dataset).names, "setting": train["setting"]}
    metrics = read_json(folder / "metrics.json") if (folder / "metrics.json").is_file() else {}
    scored = metrics.get("model_sha256") == train["model_sha256"]
    description = {**stated, **network, "miou": metrics["miou"] if scored else None}
    tensors = safetensors.numpy.load_file(folder / MODEL)
    return safetensors.numpy.save(tensors, {DESCRIPTION: json.dumps(description)})


def read_training(folder: Path, do: str = NAME) -> tuple[RunSetting, dict[str, Any]]:
    """The setting of the training in ``folder``, and its train.json; ``do`` is the advice where a file is missing.

    Raises:
        WeightsError: a file does not exist.
        CheckFailed: the weights are not those that train.json names.
    """
    train = read_json(folder / TRAIN, WeightsError, do, keys=(*STATED, "setting"))
    setting = validated(RunSetting, train["setting"], f"setting in {folder / TRAIN}", "restore it")
    if not (folder / MODEL).is_file():
        raise WeightsError(f"{folder / MODEL} does not exist", do)
    if sha256_file(folder / MODEL) != train["model_sha256"]:
        raise CheckFailed(f"{folder / MODEL} is not the one that {TRAIN} names", "restore it")
    return setting, train
