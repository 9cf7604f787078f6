"""Where a figure comes from: one mapping a row, put together from what training and scoring wrote down.

docs/provenance.md says what every key means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pointrend.files import sha256_json

Record = Mapping[str, Any]
"""The content of train.json, evaluate.json or metrics.json."""

SOURCE: dict[str, Any] = {
    "code_sha256": str,
    "source": dict,
    "lock_sha256": str | None,
    "setting": dict,
    "archives": dict,
}
DATA: dict[str, Any] = {"model_sha256": str, "data_manifest_sha256": str, "data": dict}
WHOSE: dict[str, Any] = {"run": str, "fingerprint": str}
TRAINED_WITH = ("machine", "gpus", "nodes", "images_per_gpu", "batch_norm", "precision", "checkpoint_rule")
TRAIN_KEYS: dict[str, Any] = {
    **WHOSE,
    **{"seed": int, "backbone_sha256": str | None, "attempts": list, "curves": dict},
    **{"machine": dict, "gpus": int, "nodes": int, "images_per_gpu": int, "batch_norm": str, "precision": dict},
    **{"checkpoint_rule": str, **SOURCE, **DATA},
}
EVALUATE_KEYS: dict[str, Any] = {
    **WHOSE,
    **{"seed": int | None, "train_sha256": str | None, "metrics_sha256": str, "machine": dict, "precision": dict},
    **SOURCE,
    **DATA,
}
"""What is taken from train.json and evaluate.json, and of which kind it is."""


def provenance(train: Record | None, evaluation: Record, metrics: Record) -> dict[str, Any]:
    """The chain of one figure: sha256 of everything that it follows from, and what computed it.

    ``train`` is None for released weights, of which nobody wrote down how they were trained.
    """
    made = evaluation if train is None else train
    chain = {
        "archives": made["archives"],
        "data_manifest_sha256": made["data_manifest_sha256"],
        "params_sha256": sha256_json(made["setting"]),
        "code": {**_commit(made), "evaluate_sha256": evaluation["code_sha256"]},
        "lock_sha256": made["lock_sha256"],
        "model_sha256": metrics["model_sha256"],
        "counts_sha256": metrics["sha256"],
        "scoring": {
            **_commit(evaluation),
            **{key: evaluation[key] for key in ("machine", "precision", "lock_sha256")},
        },
    }
    return chain if train is None else chain | _training(train, chain["code"])


def _training(train: Record, code: Record) -> dict[str, Any]:
    return {
        "code": {**code, "train_sha256": train["code_sha256"]},
        "backbone_sha256": train["backbone_sha256"],
        "attempts": len(train["attempts"]),
        **{key: train[key] for key in TRAINED_WITH},
    }


def _commit(record: Record) -> dict[str, Any]:
    source = record["source"]
    return {"commit": source.get("commit"), "dirty": source.get("dirty"), "no_commit_because": source.get("reason")}
