"""Where a figure comes from: one mapping a row, put together from what training and scoring wrote down.

docs/provenance.md says what every key means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pointrend.files import sha256_json

Record = Mapping[str, Any]
"""The content of train.json, evaluate.json or metrics.json."""

TRAINED_WITH = ("machine", "gpus", "images_per_gpu", "batch_norm", "precision", "checkpoint_rule")
SCORED_WITH = ("machine", "precision", "lock_sha256")
TRAIN_KEYS = (
    *("run", "seed", "fingerprint", "setting", "model_sha256", "data_manifest_sha256", "backbone_sha256"),
    *("archives", "attempts", "code_sha256", "source", "lock_sha256", *TRAINED_WITH),
)
EVALUATE_KEYS = ("model_sha256", "data_manifest_sha256", "metrics_sha256", "code_sha256", "source", *SCORED_WITH)


def provenance(train: Record, evaluation: Record, metrics: Record) -> dict[str, Any]:
    """The chain of one figure: sha256 of everything that it follows from, and what computed it."""
    return {
        "archives": train["archives"],
        "data_manifest_sha256": train["data_manifest_sha256"],
        "params_sha256": sha256_json(train["setting"]),
        "code": {
            "commit": train["source"]["commit"],
            "dirty": train["source"]["dirty"],
            "no_commit_because": train["source"]["reason"],
            "train_sha256": train["code_sha256"],
            "evaluate_sha256": evaluation["code_sha256"],
        },
        "lock_sha256": train["lock_sha256"],
        "backbone_sha256": train["backbone_sha256"],
        "model_sha256": train["model_sha256"],
        "counts_sha256": metrics["sha256"],
        **{key: train[key] for key in TRAINED_WITH},
        "attempts": len(train["attempts"]),
        "scoring": {
            "commit": evaluation["source"]["commit"],
            "dirty": evaluation["source"]["dirty"],
            "no_commit_because": evaluation["source"]["reason"],
            **{key: evaluation[key] for key in SCORED_WITH},
        },
    }
