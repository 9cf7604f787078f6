"""Resumable training state: one safetensors file and a JSON record beside it, both written atomically.

The record carries the sha256 of the state and of itself, so damage to either is recognised and the one before is used.
Nothing is pickled. All randomness of training follows from (seed, epoch, sample) and (seed, iteration, rank), so there
is no generator state to keep.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from pointrend.errors import MachineError, ResultsError, TrainingError
from pointrend.files import atomic_path, read_json, sha256_file, sha256_json, write_json

log = logging.getLogger(__name__)
KEPT = 2
"""Checkpoints that stay on disk: the newest and the one to fall back to."""
SEAL = "record_sha256"
"""In a record: sha256 of everything else in it."""


@dataclass(frozen=True)
class Progress:
    """How far training has come when a checkpoint is written."""

    iteration: int
    """Finished iterations."""
    metrics_bytes: int
    """Length of metrics.jsonl; what was appended later is cut off on resume."""
    seconds: float
    """Training time so far, over all attempts."""
    empty_batches: int
    """Batches so far, of any process, in which no pixel had a label."""
    losses: list[list[float]] = field(default_factory=list)
    """The losses of the iterations since the last record in metrics.jsonl."""


def save_checkpoint(folder: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    """Write the state after ``progress.iteration`` iterations and drop checkpoints that are no longer needed.

    Raises:
        MachineError, OSError: the disk is full or broken; earlier checkpoints are untouched.
    """
    tensors = {f"model.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        momentum = optimizer.state[parameter].get("momentum_buffer")
        if momentum is not None:
            tensors[f"momentum.{name}"] = momentum.contiguous()
    path = folder / f"{progress.iteration:09d}.safetensors"
    with atomic_path(path) as temporary:
        try:
            safetensors.torch.save_file({name: tensor.cpu() for name, tensor in tensors.items()}, temporary)
        except safetensors.SafetensorError as problem:  # the library's own name for a write that failed
            do = "free disk space; the checkpoints before it are kept, and the same command goes on from them"
            raise MachineError(f"cannot write {path}: {problem}", do) from problem
    record = {**vars(progress), "sha256": sha256_file(path)}
    write_json(path.with_suffix(".json"), {**record, SEAL: sha256_json(record)})
    for old in _records(folder)[KEPT:]:
        old.unlink()
    for state in folder.glob("*.safetensors"):
        # Of the records just removed, and of writers that were killed before their record.
        if not state.with_suffix(".json").exists():
            state.unlink()


def load_checkpoint(folder: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> Progress | None:
    """Restore the newest whole checkpoint in ``folder``; None if there is none.

    A checkpoint whose state or record is not what its sha256 says is passed over with a warning.

    Raises:
        TrainingError: a whole checkpoint does not fit the model.
    """
    records = _records(folder)
    for record in records:
        state = record.with_suffix(".safetensors")
        progress = _whole(record, state)
        if progress is not None:
            _restore(state, model, optimizer)
            return progress
        rest = "training starts from its beginning" if record == records[-1] else "the one before it is used"
        log.warning("checkpoint %s is damaged; %s", state, rest)
    return None


def last_iteration(folder: Path) -> int:
    """Finished iterations according to the newest whole checkpoint in ``folder``; 0 if there is none."""
    found = (_whole(record, record.with_suffix(".safetensors")) for record in _records(folder))
    return next((progress.iteration for progress in found if progress is not None), 0)


def _whole(record: Path, state: Path) -> Progress | None:
    """What ``record`` says, if it and ``state`` are as they were written."""
    try:
        found = read_json(record, keys=("sha256", SEAL))
    except ResultsError:
        return None
    if found.pop(SEAL) != sha256_json(found) or not state.is_file() or sha256_file(state) != found.pop("sha256"):
        return None
    return Progress(**found)


def _restore(path: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    tensors = safetensors.torch.load_file(path)
    try:
        model.load_state_dict({name[6:]: tensor for name, tensor in tensors.items() if name.startswith("model.")})
    except RuntimeError as error:
        raise TrainingError(f"checkpoint {path} does not fit the model", "remove it to start again") from error
    for name, parameter in model.named_parameters():
        momentum = tensors.get(f"momentum.{name}")
        if momentum is not None:
            # The parameter's own memory layout, or channels-last sums would come out in another order.
            buffer = torch.empty_like(parameter, requires_grad=False)
            optimizer.state[parameter]["momentum_buffer"] = buffer.copy_(momentum)


def _records(folder: Path) -> list[Path]:
    """Records of checkpoints, newest first."""
    names = (path for path in folder.glob("*.json") if re.fullmatch(r"\d{9}\.json", path.name))
    return sorted(names, reverse=True)
