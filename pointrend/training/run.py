"""One training with everything around its loop: its lease, its attempts, and the files that it leaves."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pointrend.checkout.code_digest import code_digest
from pointrend.checkout.machine import code_record, keep_freed_memory, machine_record
from pointrend.datasets.intact import check_split
from pointrend.errors import CheckFailed, MachineError
from pointrend.files import sha256_file, write_bytes, write_sealed, write_text
from pointrend.jobs.attempts import Attempts
from pointrend.jobs.lease import Held, lease
from pointrend.jobs.preemption import StopRequest
from pointrend.jobs.record import training_record
from pointrend.jobs.staging import training_data
from pointrend.logs import calling_engine, first_process
from pointrend.model.weights import save_weights
from pointrend.settings.fingerprints import backbone_sha256, data_record, training_fingerprint
from pointrend.settings.params import RunSetting
from pointrend.settings.project import Project
from pointrend.training.checkpoints import last_iteration
from pointrend.training.distributed import join_processes
from pointrend.training.identity import Identity
from pointrend.training.loop import PretrainedBackbone, Trainer
from pointrend.training.metrics_log import curve_csv
from pointrend.training.shared_memory import check_shared_memory

log = logging.getLogger(__name__)

WatchRecords = Callable[[Mapping[str, Any]], None]
MakeWatch = Callable[[Project, str, int, int, int], WatchRecords | None]
"""Makes what is shown every record of the curve, from the run, its epochs, their iterations, and the first one."""


@dataclass(frozen=True)
class Training:
    """One training under one fingerprint, as this process takes part in it."""

    project: Project
    setting: RunSetting
    seed: int
    fingerprint: str
    make_watch: MakeWatch

    @property
    def checkpoints(self) -> Path:
        """Its resumable state."""
        return self.project.checkpoint_folder(self.setting.run, self.seed, self.fingerprint)

    def run(self, stop: StopRequest) -> None:
        """Train to the end; the first process writes the files."""
        if not first_process():
            self._trained(stop)
            return
        code = code_record(code_digest("train", self.setting.dataset))
        # A killed engine leaves its trainer alone at work. The next trainer waits for it and finds everything done.
        # The other processes meet the first one only after it has the lease.
        results = self.project.run_folder(self.setting.run, self.seed)
        with lease(self.checkpoints, results, wait=calling_engine() is not None) as held:
            identity = Identity(self.setting.run, self.seed, self.fingerprint)
            attempts = Attempts(self.checkpoints, identity, held)
            with attempts.attempt(last_iteration(self.checkpoints, identity), code):
                log.info("attempt %d", len(attempts.records))
                trainer = self._trained(stop, attempts, held)
                self._write(trainer, attempts.records, held)

    def _trained(self, stop: StopRequest, attempts: Attempts | None = None, held: Held | None = None) -> Trainer:
        """The trainer, at its end; the first process keeps ``attempts`` and has the lease, ``held``."""
        keep_freed_memory()
        recipe, prepared = self.setting.recipe, self.project.data_folder(self.setting.dataset)
        if os.environ.get("LOCAL_RANK", "0") == "0":  # one of a machine tells
            check_shared_memory(recipe)
        with (
            join_processes(recipe.gpus, recipe.device, recipe.threads) as processes,
            training_data(prepared, processes, recipe.stage_to_tmpdir) as data,
        ):
            trainer = Trainer(
                self.setting,
                self.seed,
                data,
                self.checkpoints,
                self._backbone(),
                processes,
                fingerprint=self.fingerprint,
                fence=held,
            )
            watch = self._watched(trainer, attempts) if attempts else None
            try:
                trainer.run(watch, stop)
            except torch.OutOfMemoryError as problem:
                what = f"{processes.device} has not enough memory for a batch of {recipe.batch_size}"
                raise MachineError(what, "set more gpus, or another device, in params.yaml") from problem
        return trainer

    def _watched(self, trainer: Trainer, attempts: Attempts) -> WatchRecords | None:
        """Note the machine; what is to see every record of the curve, if anything is."""
        attempts.runs_on(machine_record(trainer.processes.device))
        start, epochs = trainer.progress.iteration, self.setting.recipe.epochs
        return self.make_watch(self.project, self.setting.run, epochs, trainer.epoch_iterations, start)

    def _backbone(self) -> PretrainedBackbone | None:
        if not self.setting.recipe.pretrained:
            return None
        pin = self.project.params.backbones[self.setting.backbone].pretrained
        path = self.project.fetched_file(f"backbone_{self.setting.backbone}", pin.name)
        return PretrainedBackbone(path, pin.sha256_prefix or "")

    def _write(self, trainer: Trainer, attempts: Sequence[dict[str, Any]], held: Held) -> None:
        """Leave model.safetensors, metrics.jsonl and curve.csv in the run's folder, and train.json last.

        Raises:
            CheckFailed: the data or the backbone were exchanged while the training ran.
        """
        project, setting, seed = self.project, self.setting, self.seed
        if training_fingerprint(project, setting, seed) != self.fingerprint:
            what = f"the data or the backbone of {setting.run} were exchanged while it was trained"
            raise CheckFailed(what, "restore them and type the same command again")
        check_split(project.data_folder(setting.dataset), "train")
        folder = project.run_folder(setting.run, seed)
        save_weights(trainer.model, folder / "model.safetensors", held)
        metrics = trainer.progress.metrics
        write_bytes(folder / "metrics.jsonl", metrics, held)
        write_text(folder / "curve.csv", curve_csv(metrics), held)
        record = {
            "run": setting.run,
            "seed": seed,
            "scale": setting.scale,
            "fingerprint": self.fingerprint,
            "setting": setting.model_dump(mode="json"),
            **data_record(project, setting.dataset),
            "backbone_sha256": backbone_sha256(project, setting),
            "model_sha256": sha256_file(folder / "model.safetensors"),
            "curves": {name: sha256_file(folder / name) for name in ("metrics.jsonl", "curve.csv")},
            **training_record(trainer, attempts),
        }
        write_sealed(folder / "train.json", record, held)
