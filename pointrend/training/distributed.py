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

from pointrend.checkout.machine import choose_device
from pointrend.errors import MachineError, ParamsError, TrainingStopped
from pointrend.jobs.launch import check_interfaces

STARTED = ("WORLD_SIZE", "RANK", "LOCAL_RANK")
"""What torchrun tells the processes that it starts."""


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


@contextmanager
def join_processes(count: int, device: str, threads: int) -> Iterator[Processes]:
    """Join the processes that torchrun started (its RANK and WORLD_SIZE), or be the only one.

    ``threads`` is the number of CPU threads a process, 0 for torch's choice.

    Raises:
        ParamsError: torchrun, as far as the environment says, started another number of processes than the setting has
            GPUs, or a process beyond that number.
        MachineError: the processes cannot meet where the environment says.
        TrainingStopped: within the block, another process ended before this one was done with it.
    """
    _check_started(count)
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


def _check_started(count: int) -> None:
    """Refuse what a shell still has of another training, before anything waits for processes that never come."""
    started, rank = os.environ.get("WORLD_SIZE") or "1", os.environ.get("RANK")
    left = [name for name in (*STARTED, "MASTER_ADDR", "MASTER_PORT") if os.environ.get(name)]
    unset = (
        f"unset {', '.join(left)} if the shell has kept them, or start it with torchrun and {count} processes in all"
    )
    if started != str(count):
        what = f"{started} process(es) were started, says WORLD_SIZE, but the setting has gpus: {count}"
        raise ParamsError(what, unset)
    if count > 1 and (rank is None or not rank.isdecimal() or int(rank) >= count):
        raise ParamsError(f"RANK is {rank or 'not set'}, which is no number below WORLD_SIZE={count}", unset)


def _meet(backend: str) -> None:
    check_interfaces("nccl" in backend)
    try:
        dist.init_process_group(backend)
    except (RuntimeError, ValueError) as problem:  # a port that is taken; a variable that is missing or no number
        place = ":".join(os.environ.get(name, f"${name}") for name in ("MASTER_ADDR", "MASTER_PORT"))
        what = f"the processes cannot meet at {place}: {' '.join(str(problem).split())[:300]}"
        raise MachineError(what, "let torchrun choose the port (--standalone), or name a free one") from problem


def _lost_touch(problem: RuntimeError) -> bool:
    """Whether a collective failed. Gloo has no class of its own for that, only its source file in the text."""
    return isinstance(problem, dist.DistError) or "gloo/transport" in str(problem)
