"""The processes of one training: rank, device, and collective operations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from pointrend.checkout.machine import CUBLAS, choose_device
from pointrend.errors import MachineError, ParamsError, TrainingStopped

# Variables that torchrun sets for the processes that it starts.
STARTED = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


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

    def of_first(self, number: int) -> int:
        """The number that the first process has."""
        shared = torch.tensor(int(number))
        if self.count > 1:
            dist.broadcast(shared, src=0)
        return int(shared)

    def sum(self, values: Tensor) -> Tensor:
        """Sum of a tensor over all processes; ``values`` is overwritten."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def any(self, decision: bool) -> bool:
        """Whether any process decided so. The flag stays on the CPU, so no GPU is waited for."""
        return bool(self.sum(torch.tensor(int(decision))))


@contextmanager
def join_processes(count: int, device: str, threads: int, deterministic: bool = False) -> Iterator[Processes]:
    """Join the processes that torchrun started (its RANK and WORLD_SIZE), or be the only one.

    ``threads`` is the number of CPU threads per process, 0 for torch's choice. With ``deterministic``, torch uses only
    kernels that sum in a fixed order, and warns with its name of every operation that has none.

    Raises:
        ParamsError: according to the environment torchrun started a different number of processes than the setting has
            GPUs, or a process beyond that number.
        MachineError: the processes cannot connect at the address in the environment.
        TrainingStopped: within the block, another process ended too early.
    """
    _check_started(count)
    chosen = choose_device(device)
    if threads:
        torch.set_num_threads(threads)
    if deterministic:
        os.environ.setdefault(CUBLAS, ":4096:8")  # read when cuBLAS starts
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = not deterministic
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    if count == 1:
        yield Processes(0, 1, chosen)
        return
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo")
    except (RuntimeError, ValueError) as problem:  # a port that is taken; a variable that is missing or no number
        address = ":".join(os.environ.get(name, f"${name}") for name in ("MASTER_ADDR", "MASTER_PORT"))
        what = f"the processes cannot connect at {address}: {' '.join(str(problem).split())[:300]}"
        raise MachineError(what, "let torchrun choose the port (--standalone), or name a free one") from problem
    try:
        yield Processes(dist.get_rank(), count, chosen)
    except RuntimeError as problem:
        # A collective failed. Gloo has no exception class for that, only its source file in the text.
        if not (isinstance(problem, dist.DistError) or "gloo/transport" in str(problem)):
            raise
        what = f"lost contact with the other processes: {' '.join(str(problem).split())}"
        raise TrainingStopped(what, "the same command resumes from the last checkpoint") from problem
    finally:
        dist.destroy_process_group()


def _check_started(count: int) -> None:
    """Refuse variables that a shell has kept from another training, before the wait for processes that never come."""
    started, rank = os.environ.get("WORLD_SIZE") or "1", os.environ.get("RANK")
    left = ", ".join(name for name in STARTED if os.environ.get(name))
    do = f"unset {left} if they are left over in the shell, or start it with torchrun and {count} processes in all"
    if started != str(count):
        what = f"WORLD_SIZE is {started}, but the setting has gpus: {count}"
        raise ParamsError(what, do)
    if count > 1 and (rank is None or not rank.isdecimal() or int(rank) >= count):
        raise ParamsError(f"RANK is {rank or 'not set'}, not a number below WORLD_SIZE={count}", do)
