"""What is recorded of the iterations between two records in metrics.jsonl."""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

import torch
from torch import Tensor

from pointrend.errors import TrainingError
from pointrend.training.checkpoints import Progress
from pointrend.training.distributed import Processes

LOSSES = ("loss", "loss_point", "loss_coarse")


class Window:
    """The iterations since the last record.

    Losses stay on the device until the record is made, so that a GPU is not waited for at every step.
    """

    def __init__(self, ids: list[str], batch_size: int, processes: Processes, before: Progress) -> None:
        self.ids, self.batch_size, self.processes = ids, batch_size, processes
        self.empty_batches = before.empty_batches
        self.earlier: list[list[float]] = []
        self._clear()
        self.earlier = before.losses

    def add(self, iteration: int, index: Tensor, waited: float, losses: Tensor, empty: Tensor) -> None:
        """Note one iteration.

        Args:
            iteration: 0-based.
            index: which pictures the batch holds, (B,).
            waited: seconds that training waited for the batch.
            losses: values of :data:`LOSSES`, (3,).
            empty: whether no pixel of this process's share of the batch had a label, scalar bool.
        """
        self.entries.append((iteration, index, losses, empty))
        self.waited += waited

    def close(self) -> dict[str, Any]:
        """The record, losses averaged over iterations and processes; the next window starts.

        ``time`` is when it was made, in unix seconds (UTC).

        Raises:
            TrainingError: a loss is not finite; the pictures of the first such batch are named.
        """
        iterations = len(self.entries)
        means = torch.tensor(self.suspend()).mean(0).tolist()
        seconds = time.monotonic() - self.started
        record = {
            **{name: round(mean, 6) for name, mean in zip(LOSSES, means, strict=True)},
            "images_per_second": round(iterations * self.batch_size / seconds, 3),
            "data_wait_share": round(self.waited / seconds, 4),
            "memory_mb": peak_memory_mb(self.processes.device),
            "empty_batches": self.empty_batches,
            "time": round(time.time(), 3),
        }
        self._clear()
        return record

    def suspend(self) -> list[list[float]]:
        """Losses of the iterations since the last record, averaged over the processes, for a checkpoint.

        Raises:
            TrainingError: a loss is not finite; the pictures of the first such batch are named.
        """
        if not self.entries:
            return self.earlier
        losses = torch.stack([entry[2] for entry in self.entries])
        self._check_finite(losses)
        empty = torch.stack([entry[3] for entry in self.entries]).sum()
        self.empty_batches += int(self.processes.sum(empty))
        rows: list[list[float]] = (self.processes.sum(losses) / self.processes.count).tolist()
        return self.earlier + rows

    def _check_finite(self, losses: Tensor) -> None:
        finite = losses.isfinite().all(1).tolist()
        if all(finite):
            return
        iteration, index, _, _ = self.entries[finite.index(False)]
        names = ", ".join(self.ids[i] for i in index.tolist())
        raise TrainingError(
            f"the loss is not finite at iteration {iteration + 1}, pictures {names}",
            "look at these pictures and their masks; a smaller lr or a longer warm-up may help",
        )

    def _clear(self) -> None:
        self.started, self.waited = time.monotonic(), 0.0
        self.entries: list[tuple[int, Tensor, Tensor, Tensor]] = []
        self.earlier = []


def peak_memory_mb(device: torch.device) -> int:
    """Largest memory use so far in MB: of the device for CUDA, of the process otherwise."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device) / 2**20)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)
