"""Checkpoints: one safetensors file with the state and a JSON record beside it, both written atomically.

The record contains the sha256 of the state and of itself, so damage to either is detected and the checkpoint before is
used. It also identifies the training. Names are ``<iteration>-<lease>``: of two holders of the lease, the later one
resumed from the checkpoints that it found, so those that the earlier one wrote afterwards are ignored.

Nothing is pickled. All randomness of training follows from (seed, epoch, sample) and (seed, iteration, rank), so there
is no generator state to save.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch

from pointrend.errors import MachineError, ResultsError, TrainingError
from pointrend.files import Fence, atomic_path, read_json, sha256_file, sha256_json, write_json
from pointrend.training.identity import KEY, Identity

log = logging.getLogger(__name__)
KEPT = 2  # checkpoints that stay on disk: the newest and the one before
SEAL = "record_sha256"  # key of the sha256 of everything else in a record
NAME = re.compile(r"(\d{9})-(\d{6,})\.(json|safetensors)")  # finished iterations and the number of the lease
METRICS = "metrics"  # name of the tensor with the bytes of metrics.jsonl


@dataclass(frozen=True)
class Progress:
    """Progress of a training when a checkpoint is written."""

    iteration: int  # finished iterations
    metrics: bytes  # content of metrics.jsonl; lines appended later are dropped on resume
    seconds: float  # training time so far, over all attempts
    empty_batches: int  # batches so far, of any process, in which no pixel had a label
    # Losses of the iterations since the last record in metrics.jsonl.
    losses: list[list[float]] = field(default_factory=list)


def save_checkpoint(
    folder: Path,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    training: Identity,
    fence: Fence | None = None,
) -> None:
    """Write the state after ``progress.iteration`` iterations and drop checkpoints that are no longer needed.

    Raises:
        MachineError, OSError: the disk is full or broken; earlier checkpoints are untouched.
        TrainingStopped: the lease, ``fence``, was taken over.
    """
    tensors = {f"model.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        if (momentum := optimizer.state[parameter].get("momentum_buffer")) is not None:
            tensors[f"momentum.{name}"] = momentum.contiguous()
    tensors[METRICS] = torch.from_numpy(np.frombuffer(progress.metrics, np.uint8).copy())
    lease = fence.number if fence else 0
    path = folder / f"{progress.iteration:09d}-{lease:06d}.safetensors"
    with atomic_path(path, fence) as temporary:
        try:
            safetensors.torch.save_file({name: tensor.cpu() for name, tensor in tensors.items()}, temporary)
        except safetensors.SafetensorError as problem:  # a failed write, too
            do = "free disk space; earlier checkpoints are kept, and the same command resumes from them"
            raise MachineError(f"cannot write {path}: {problem}", do) from problem
    record = {**vars(progress), KEY: training.record, "lease": lease, "sha256": sha256_file(path)}
    del record["metrics"]
    write_json(path.with_suffix(".json"), {**record, SEAL: sha256_json(record)}, fence)
    # Older checkpoints, and states whose writer was killed before it wrote their record.
    kept = _files(folder, "json")[:KEPT]
    for path in (*_files(folder, "json"), *_files(folder, "safetensors")):
        if path.with_suffix(".json") not in kept:
            if fence:
                fence.check()
            path.unlink(missing_ok=True)


def load_checkpoint(
    folder: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer, training: Identity
) -> Progress | None:
    """Restore the newest undamaged checkpoint in ``folder``; None if there is none.

    A checkpoint whose state or record does not match its sha256 is skipped with a warning.

    Raises:
        TrainingError: an undamaged checkpoint belongs to a training other than ``training``, or does not fit the model.
    """
    records = _files(folder, "json")
    for record in records:
        state = record.with_suffix(".safetensors")
        if (found := _undamaged(record, training)) is not None:
            return Progress(**found, metrics=_restore(state, model, optimizer))
        rest = "training starts from its beginning" if record == records[-1] else "the one before it is used"
        log.warning("checkpoint %s is damaged; %s", state, rest)
    return None


def last_iteration(folder: Path, training: Identity) -> int:
    """Finished iterations of the newest undamaged checkpoint in ``folder``; 0 if there is none.

    Raises:
        TrainingError: it belongs to a different training than ``training``.
    """
    found = (_undamaged(record, training) for record in _files(folder, "json"))
    return next((progress["iteration"] for progress in found if progress is not None), 0)


def _undamaged(record: Path, training: Identity) -> dict[str, Any] | None:
    """The progress in ``record``, if it and its state are as they were written."""
    try:
        found = read_json(record, keys=("sha256", SEAL))
    except ResultsError:
        return None
    if found.pop(SEAL) != sha256_json(found):
        return None
    training.check(found, record)
    state = record.with_suffix(".safetensors")
    if not state.is_file() or sha256_file(state) != found.pop("sha256"):
        return None
    return {key: value for key, value in found.items() if key not in (KEY, "lease")}


def _restore(path: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> bytes:
    """Load the state; return the content of metrics.jsonl at that time."""
    tensors = safetensors.torch.load_file(path)
    try:
        model.load_state_dict({name[6:]: tensor for name, tensor in tensors.items() if name.startswith("model.")})
    except RuntimeError as error:
        raise TrainingError(f"checkpoint {path} does not fit the model", "remove it to start again") from error
    for name, parameter in model.named_parameters():
        momentum = tensors.get(f"momentum.{name}")
        if momentum is not None:
            # In the memory layout of the parameter: a different one would change the order of sums.
            buffer = torch.empty_like(parameter, requires_grad=False)
            optimizer.state[parameter]["momentum_buffer"] = buffer.copy_(momentum)
    return tensors[METRICS].numpy().tobytes()


def _files(folder: Path, kind: str) -> list[Path]:
    """Our files with this ending: those of the last lease first, and of one lease the newest first."""
    names = (NAME.fullmatch(path.name) for path in folder.glob(f"*.{kind}"))
    found = sorted(((int(name[2]), int(name[1]), name[0]) for name in names if name), reverse=True)
    return [folder / name for _, _, name in found]
