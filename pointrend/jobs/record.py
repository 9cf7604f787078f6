"""What is written down about a training besides its results. docs/provenance.md says what every key means.

Nothing here enters a fingerprint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from pointrend.checkout.machine import precision_record
from pointrend.model.norm import JoinedBatchNorm

if TYPE_CHECKING:
    from pointrend.training.loop import Trainer

CHECKPOINT_RULE = "last iteration of the last epoch, never the best"
"""Which weights are kept and scored (RECIPE section 11)."""


def training_record(trainer: Trainer, attempts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How a finished training was computed; the last of its ``attempts`` speaks for the code and the machine."""
    recipe, last = trainer.recipe, attempts[-1]
    return {
        **{key: last[key] for key in ("code_sha256", "source", "lock_sha256", "machine")},
        "attempts": list(attempts),
        "iterations": trainer.total,
        "iterations_per_epoch": trainer.epoch_iterations,
        "gpus": trainer.processes.count,
        "nodes": recipe.nodes,
        "images_per_gpu": recipe.batch_size // trainer.processes.count,
        "batch_norm": batch_norm_kind(trainer.model),
        "precision": precision_record(recipe.precision),
        "checkpoint_rule": CHECKPOINT_RULE,
        "seconds": round(trainer.progress.seconds, 1),
    }


def batch_norm_kind(model: nn.Module) -> str:
    """What the network's norms are: of one process, torch's synchronised ones, or ours on CPUs."""
    kinds = {nn.SyncBatchNorm: "SyncBatchNorm", JoinedBatchNorm: "JoinedBatchNorm", nn.BatchNorm2d: "BatchNorm"}
    return next(name for kind, name in kinds.items() if any(isinstance(module, kind) for module in model.modules()))
