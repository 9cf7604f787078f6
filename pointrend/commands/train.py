"""Train a run to its end, or resume it where it stopped.

With gpus above 1 in the setting this starts torchrun once on this machine; under torchrun it is one of its processes.

example: pointrend --scale demo train voc_r50 --seed 0
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from pointrend.allocator import keep_freed_memory
from pointrend.audit.curves import watch_training
from pointrend.code_digest import code_digest
from pointrend.commands.arguments import seed_number
from pointrend.errors import MachineError, WeightsError
from pointrend.files import sha256_file, write_bytes, write_json, write_text
from pointrend.logs import log_to_file
from pointrend.params import RunSetting
from pointrend.project import Project

if TYPE_CHECKING:
    from pointrend.training.loop import PretrainedBackbone


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--seed", type=seed_number, default=0)


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Train one run with one seed."""
    setting, seed = project.setting(arguments.run), arguments.seed
    if setting.recipe.gpus > 1 and "WORLD_SIZE" not in os.environ:
        _start_torchrun(setting.recipe.gpus)
    log_to_file(project.log_file(f"train-{setting.run}-s{seed}"))
    fingerprint = fingerprint_of(project, setting, seed)
    checkpoints = project.checkpoint_folder(setting.run, seed, fingerprint)

    from pointrend.training.distributed import join_processes
    from pointrend.training.lease import lease

    keep_freed_memory()
    recipe = setting.recipe
    with join_processes(recipe.gpus, recipe.device, recipe.threads) as processes:
        if not processes.first:
            _trained(project, setting, seed, fingerprint, processes)
            return
        # A killed engine leaves its trainer alone at work. The next trainer waits for it and finds everything done.
        with lease(checkpoints, wait=_called_by_an_engine() and recipe.gpus == 1):
            trainer = _trained(project, setting, seed, fingerprint, processes)
            _write(project, setting, seed, fingerprint, trainer)


def _called_by_an_engine() -> bool:
    return not os.environ.keys().isdisjoint({"DVC_STAGE", "POINTREND_ENGINE"})


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


def _start_torchrun(processes: int) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    os.execv(command[0], [*command, "-m", "pointrend", *sys.argv[1:]])  # noqa: S606 our own interpreter, no shell


def _trained(project: Project, setting: RunSetting, seed: int, fingerprint: str, processes: Any) -> Any:
    import torch

    from pointrend.training.loop import Trainer

    checkpoints = project.checkpoint_folder(setting.run, seed, fingerprint)
    data = project.data_folder(setting.dataset)
    trainer = Trainer(setting, seed, data, checkpoints, _backbone(project, setting), processes)
    watch = None
    if processes.first:
        _note_attempt(trainer)
        start, epochs = trainer.progress.iteration, setting.recipe.epochs
        watch = watch_training(project, setting.run, epochs, trainer.epoch_iterations, start)
    try:
        trainer.run(watch)
    except torch.OutOfMemoryError as problem:
        what = f"{processes.device} has not enough memory for a batch of {setting.recipe.batch_size}"
        raise MachineError(what, "set more gpus, or another device, in params.yaml") from problem
    return trainer


def _note_attempt(trainer: Any) -> None:
    """Who computes from here on: what is asked at the end would miss a commit made meanwhile."""
    from pointrend.training.record import code_record, machine_record, note_attempt

    start, machine = trainer.progress.iteration, machine_record(trainer.processes.device)
    note_attempt(trainer.checkpoints, {"iteration": start, **code_record(code_digest("train")), "machine": machine})


def _backbone(project: Project, setting: RunSetting) -> PretrainedBackbone | None:
    from pointrend.training.loop import PretrainedBackbone

    if not setting.recipe.pretrained:
        return None
    pin = project.params.backbones[setting.backbone].pretrained
    path = project.fetched_file(f"backbone_{setting.backbone}", pin.name)
    return PretrainedBackbone(path, pin.sha256_prefix or "")


def _write(project: Project, setting: RunSetting, seed: int, fingerprint: str, trainer: Any) -> None:
    """Leave model.safetensors, metrics.jsonl and curve.csv in the run's folder, and train.json last."""
    from pointrend.model.weights import save_weights
    from pointrend.training.metrics_log import curve_csv
    from pointrend.training.record import read_attempts, training_record

    folder = project.run_folder(setting.run, seed)
    save_weights(trainer.model, folder / "model.safetensors")
    metrics = (trainer.checkpoints / "metrics.jsonl").read_bytes()
    write_bytes(folder / "metrics.jsonl", metrics)
    write_text(folder / "curve.csv", curve_csv(metrics))
    record = {
        "run": setting.run,
        "seed": seed,
        "scale": setting.scale,
        "fingerprint": fingerprint,
        "setting": setting.model_dump(mode="json"),
        **project.data_record(setting.dataset),
        "backbone_sha256": _backbone_sha256(project, setting),
        "model_sha256": sha256_file(folder / "model.safetensors"),
        **training_record(trainer, read_attempts(trainer.checkpoints)),
    }
    write_json(folder / "train.json", record)
