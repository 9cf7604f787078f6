"""The processes of one training: who we are, where we compute, and how numbers are shared."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from pointrend.errors import MachineError, ParamsError, TrainingStopped


@dataclass(frozen=True)
class Processes:
    """This process among those that train together."""

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    @property
    def first_of_node(self) -> bool:
        """Whether this is the first process of its machine."""
        return self.count == 1 or os.environ.get("LOCAL_RANK", "0") == "0"

    def wait(self) -> None:
        """Return when all processes have come here."""
        self.any(False)

    def token(self) -> int:
        """A number below 2**62 that all processes know and nobody else can guess."""
        number = torch.tensor(secrets.randbits(62))
        if self.count > 1:
            dist.broadcast(number, src=0)
        return int(number.item())

    def sum(self, values: Tensor) -> Tensor:
        """Sum of a tensor over all processes; ``values`` is overwritten."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def agree(self, decision: bool) -> bool:
        """What the first process decided."""
        if self.count == 1:
            return decision
        flag = torch.tensor(int(decision))
        dist.broadcast(flag, src=0)
        return bool(flag.item())

    def any(self, decision: bool) -> bool:
        """Whether any process decided so. Cheap: the flag stays on the CPU, and no GPU is waited for."""
        if self.count == 1:
            return decision
        flag = torch.tensor(int(decision))
        dist.all_reduce(flag, op=dist.ReduceOp.MAX)
        return bool(flag.item())


def choose_device(wanted: str) -> torch.device:
    """The device for ``wanted`` (``cuda``, ``cpu`` or ``auto``).

    Raises:
        MachineError: CUDA is wanted and not there.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        do = "run where there is one, or set device: auto in params.yaml"
        raise MachineError("this setting trains on CUDA and torch sees no CUDA device", do)
    if wanted == "cpu" or not available:
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


@contextmanager
def join_processes(count: int, device: str, threads: int) -> Iterator[Processes]:
    """Join the processes that torchrun started (its RANK and WORLD_SIZE), or be the only one.

    ``threads`` is the number of CPU threads a process, 0 for torch's choice.

    Raises:
        ParamsError: torchrun started another number of processes than the setting has GPUs.
        MachineError: the processes cannot meet where the environment says.
        TrainingStopped: within the block, another process ended before this one was done with it.
    """
    started = os.environ.get("WORLD_SIZE") or "1"
    if started != str(count):
        raise ParamsError(
            f"{started} process(es) were started but the setting has gpus: {count}",
            f"start it with `pointrend train`, or with torchrun and {count} processes in all",
        )
    chosen = choose_device(device)
    if threads:
        torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = True
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    if count == 1:
        yield Processes(0, 1, chosen)
        return
    _meet("cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), count, chosen)
    except RuntimeError as problem:
        if not _lost_touch(problem):
            raise
        what = f"lost touch with the other processes: {' '.join(str(problem).split())}"
        raise TrainingStopped(what, "the same command goes on from the last checkpoint") from problem
    finally:
        dist.destroy_process_group()


def _meet(backend: str) -> None:
    try:
        dist.init_process_group(backend)
    except (RuntimeError, ValueError) as problem:  # a port that is taken; a variable that is missing or no number
        place = ":".join(os.environ.get(name, f"${name}") for name in ("MASTER_ADDR", "MASTER_PORT"))
        what = f"the processes cannot meet at {place}: {' '.join(str(problem).split())[:300]}"
        raise MachineError(what, "let torchrun choose the port (--standalone), or name a free one") from problem


def _lost_touch(problem: RuntimeError) -> bool:
    """Whether a collective failed. Gloo has no class of its own for that, only its source file in the text."""
    return isinstance(problem, dist.DistError) or "gloo/transport" in str(problem)
