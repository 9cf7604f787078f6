"""Train a run to its end, or resume it where it stopped.

With gpus above 1 in the setting this starts torchrun, once on every node; under torchrun it is one of its processes.
On SIGTERM or SIGUSR1 it leaves a checkpoint and ends with exit code 75.

examples:
  pointrend train voc_r50 --seed 0
  pointrend --scale paper --set gpus=2 train voc_r50 --seed 1
"""

from __future__ import annotations

import argparse
import os
import sys

from pointrend.audit.curves import watch_training
from pointrend.commands.arguments import add_run, add_seed
from pointrend.errors import TrainingStopped
from pointrend.fingerprints import training_fingerprint
from pointrend.logs import calling_engine, first_process, log_to_file
from pointrend.project import Project
from pointrend.training import launch
from pointrend.training.lease import wait_until_free
from pointrend.training.preemption import stop_requests
from pointrend.training.slurm_job import requeue_after


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    add_run(parser)
    add_seed(parser)


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Train one run with one seed."""
    setting, seed = project.setting(arguments.run), arguments.seed
    log_to_file(project.log_file(f"train-{setting.run}-s{seed}"))
    fingerprint = training_fingerprint(project, setting, seed)
    if setting.recipe.gpus > 1 and not os.environ.get(launch.RUNNING):
        if calling_engine():
            wait_until_free(project.checkpoint_folder(setting.run, seed, fingerprint))
        launch.start_processes(setting.recipe)

    from pointrend.training.run import Training

    training = Training(project, setting, seed, fingerprint, watch_training)
    with stop_requests() as stop:
        try:
            training.run(stop)
        except TrainingStopped as stopped:
            if not first_process():
                sys.exit(stopped.exit_code)  # the first one tells
            requeue_after(stop.signal)
            raise
<<<<<<< HEAD
=======


@dataclass(frozen=True)
class Training:
    """One training under one fingerprint, as this process takes part in it."""

    project: Project
    setting: RunSetting
    seed: int
    fingerprint: str

    @property
    def checkpoints(self) -> Path:
        """Its resumable state."""
        return self.project.checkpoint_folder(self.setting.run, self.seed, self.fingerprint)

    def run(self, stop: StopRequest) -> None:
        """Train to the end; the first process writes the files."""
        if not first_process():
            self._trained(stop)
            return
        from pointrend.training.checkpoints import last_iteration
        from pointrend.training.record import code_record

        # A killed engine leaves its trainer alone at work. The next trainer waits for it and finds everything done.
        # The other processes meet the first one only after it has the lease.
        results = self.project.run_folder(self.setting.run, self.seed)
        with lease(self.checkpoints, results, wait=calling_engine() is not None) as held:
            identity = Identity(self.setting.run, self.seed, self.fingerprint)
            attempts, done = Attempts(self.checkpoints, identity, held), last_iteration(self.checkpoints, identity)
            with attempts.attempt(done, code_record(code_digest("train"))):
                log.info("attempt %d", len(attempts.records))
                trainer = self._trained(stop, attempts, held)
                _write(self, trainer, attempts.records, held)

    def _trained(self, stop: StopRequest, attempts: Attempts | None = None, held: Held | None = None) -> Trainer:
        """The trainer, at its end; the first process keeps ``attempts`` and has the lease, ``held``."""
        import torch

        from pointrend.training.distributed import join_processes
        from pointrend.training.loop import Trainer
        from pointrend.training.staging import training_data

        keep_freed_memory()
        recipe, prepared = self.setting.recipe, self.project.data_folder(self.setting.dataset)
        if os.environ.get("LOCAL_RANK", "0") == "0":  # one of a machine tells
            check_shared_memory(recipe)
        with (
            join_processes(recipe.gpus, recipe.device, recipe.threads) as processes,
            training_data(prepared, processes, recipe.stage_to_tmpdir) as data,
        ):
            backbone = _backbone(self.project, self.setting)
            trainer = Trainer(
                self.setting,
                self.seed,
                data,
                self.checkpoints,
                backbone,
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

    def _watched(self, trainer: Trainer, attempts: Attempts) -> Callable[[dict[str, Any]], None] | None:
        """Note the machine; what is to see every record of the curve, if anything is."""
        from pointrend.training.record import machine_record

        attempts.runs_on(machine_record(trainer.processes.device))
        start, epochs = trainer.progress.iteration, self.setting.recipe.epochs
        return watch_training(self.project, self.setting.run, epochs, trainer.epoch_iterations, start)


def fingerprint_of(project: Project, setting: RunSetting, seed: int) -> str:
    """What the weights of a training that starts now would follow from."""
    data = project.data_manifest(setting.dataset)["content"]
    return setting.fingerprint(seed, data, _backbone_sha256(project, setting), code_digest("train"))


def _backbone_sha256(project: Project, setting: RunSetting) -> str | None:
    if not setting.recipe.pretrained:
        return None
    name = f"backbone_{setting.backbone}"
    do = f"run: pointrend --scale {setting.scale} fetch {name}"
    files = project.fetched_records(name, WeightsError)
    pin = project.params.backbones[setting.backbone].pretrained
    if pin.name not in files:
        raise WeightsError(f"{project.fetched(name)} does not list {pin.name}", do)
    return str(files[pin.name]["sha256"])


def _backbone(project: Project, setting: RunSetting) -> PretrainedBackbone | None:
    from pointrend.training.loop import PretrainedBackbone

    if not setting.recipe.pretrained:
        return None
    pin = project.params.backbones[setting.backbone].pretrained
    path = project.fetched_file(f"backbone_{setting.backbone}", pin.name)
    return PretrainedBackbone(path, pin.sha256_prefix or "")


def _write(training: Training, trainer: Trainer, attempts: Sequence[dict[str, Any]], held: Held) -> None:
    """Leave model.safetensors, metrics.jsonl and curve.csv in the run's folder, and train.json last."""
    from pointrend.model.weights import save_weights
    from pointrend.training.metrics_log import curve_csv
    from pointrend.training.record import training_record

    project, setting, seed = training.project, training.setting, training.seed
    folder = project.run_folder(setting.run, seed)
    save_weights(trainer.model, folder / "model.safetensors", held)
    metrics = trainer.progress.metrics
    write_bytes(folder / "metrics.jsonl", metrics, held)
    write_text(folder / "curve.csv", curve_csv(metrics), held)
    record = {
        "run": setting.run,
        "seed": seed,
        "scale": setting.scale,
        "fingerprint": training.fingerprint,
        "setting": setting.model_dump(mode="json"),
        **project.data_record(setting.dataset),
        "backbone_sha256": _backbone_sha256(project, setting),
        "model_sha256": sha256_file(folder / "model.safetensors"),
        **training_record(trainer, attempts),
    }
    write_json(folder / "train.json", record, held)
>>>>>>> fence
