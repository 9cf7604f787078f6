"""One training of a project: its trainer, and the files that it leaves in the run's folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from pointrend.checkout.machine import precision_record
from pointrend.datasets.intact import check_split
from pointrend.errors import CheckFailed
from pointrend.files import Fence, sha256_file, write_bytes, write_sealed, write_text
from pointrend.model.norm import JoinedBatchNorm
from pointrend.model.weights import save_weights
from pointrend.settings.fingerprints import backbone_sha256, data_record, training_fingerprint
from pointrend.settings.params import RunSetting
from pointrend.settings.project import Project
from pointrend.training.distributed import Processes
from pointrend.training.identity import Identity
from pointrend.training.loop import PretrainedBackbone, Trainer, Validate
from pointrend.training.metrics_log import curve_csv

# The weights that are kept and scored (RECIPE section 11).
CHECKPOINT_RULE = "last iteration of the last epoch, never the best"


@dataclass(frozen=True)
class Training:
    """The training of one run with one seed, under one fingerprint; ``validate`` is for :meth:`.Trainer.run`."""

    project: Project
    setting: RunSetting
    seed: int
    fingerprint: str
    validate: Validate | None = None

    @property
    def identity(self) -> Identity:
        """What its checkpoints and attempts are marked with."""
        return Identity(self.setting.run, self.seed, self.fingerprint)

    @property
    def checkpoints(self) -> Path:
        """Folder of its resumable state."""
        return self.project.checkpoint_folder(self.setting.run, self.seed, self.fingerprint)

    @property
    def folder(self) -> Path:
        """Folder of its results."""
        return self.project.run_folder(self.setting.run, self.seed)

    def trainer(self, data: Path, processes: Processes, fence: Fence | None) -> Trainer:
        """The trainer on this process, resumed from the newest checkpoint; it reads the prepared ``data``."""
        backbone = None
        if self.setting.recipe.pretrained:
            pin = self.project.params.backbones[self.setting.backbone].pretrained
            path = self.project.fetched_file(f"backbone_{self.setting.backbone}", pin.name)
            backbone = PretrainedBackbone(path, pin.sha256_prefix or "")
        state = self.checkpoints, backbone, processes
        return Trainer(self.setting, self.seed, data, *state, fingerprint=self.fingerprint, fence=fence)

    def write(self, trainer: Trainer, attempts: Sequence[dict[str, Any]], fence: Fence) -> None:
        """Write model.safetensors, metrics.jsonl and curve.csv into the run's folder, and train.json last.

        Raises:
            CheckFailed: the data or the backbone changed during the training.
        """
        project, setting, folder = self.project, self.setting, self.folder
        if training_fingerprint(project, setting, self.seed) != self.fingerprint:
            what = f"the data or the backbone of {setting.run} changed while it was trained"
            raise CheckFailed(what, "restore them and run the same command again")
        check_split(project.data_folder(setting.dataset), "train")
        save_weights(trainer.model, folder / "model.safetensors", fence)
        metrics = trainer.progress.metrics
        write_bytes(folder / "metrics.jsonl", metrics, fence)
        write_text(folder / "curve.csv", curve_csv(metrics), fence)
        write_sealed(folder / "train.json", self._record(trainer, attempts), fence)

    def _record(self, trainer: Trainer, attempts: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Content of train.json, see docs/provenance.md; the last of the attempts names the code and the machine."""
        project, setting, recipe, folder, last = self.project, self.setting, trainer.recipe, self.folder, attempts[-1]
        return {
            "run": setting.run,
            "seed": self.seed,
            "scale": setting.scale,
            "fingerprint": self.fingerprint,
            "setting": setting.model_dump(mode="json"),
            **data_record(project, setting.dataset),
            "backbone_sha256": backbone_sha256(project, setting),
            "model_sha256": sha256_file(folder / "model.safetensors"),
            "curves": {name: sha256_file(folder / name) for name in ("metrics.jsonl", "curve.csv")},
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
    """Which norms the network has: those of one process, torch's synchronised ones, or ours for several on CPUs."""
    kinds = {nn.SyncBatchNorm: "SyncBatchNorm", JoinedBatchNorm: "JoinedBatchNorm", nn.BatchNorm2d: "BatchNorm"}
    return next(name for kind, name in kinds.items() if any(isinstance(module, kind) for module in model.modules()))
