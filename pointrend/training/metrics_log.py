"""metrics.jsonl: one JSON object per line, appended during the training.

Most lines have the mean losses since the line before; those with ``validation_miou`` have no losses.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pointrend.errors import TrainingError
from pointrend.files import Fence, write_bytes
from pointrend.settings.project import LOSSES
from pointrend.training.checkpoints import Progress
from pointrend.training.distributed import Processes

CURVES = ("iteration", "lr", *LOSSES)


class Window:
    """The iterations since the last record.

    Losses stay on the device until the record is made, so that a GPU is not waited for at every step.
    """

    def __init__(self, ids: list[str], batch_size: int, processes: Processes, before: Progress) -> None:
        self.ids, self.batch_size, self.processes = ids, batch_size, processes
        self.empty_batches = before.empty_batches
        self._open(before.losses)

    def add(self, iteration: int, index: Tensor, waited: float, losses: Tensor, empty: Tensor) -> None:
        """Add one iteration, counted from 0: indices of its images (B,), seconds waited for them, and the losses (3,).

        ``empty``, a scalar bool, is whether no pixel of this process's share of the batch had a label.
        """
        self.entries.append((iteration, index, losses, empty))
        self.waited += waited

    def close(self) -> dict[str, Any]:
        """The record, losses averaged over iterations and processes; the next window starts.

        ``time`` is when it was made, in unix seconds (UTC).

        Raises:
            TrainingError: a loss is not finite; the images of the first such batch are named.
        """
        means = torch.tensor(self.suspend()).mean(0).tolist()
        seconds = time.monotonic() - self.started
        record = {
            **{name: round(mean, 6) for name, mean in zip(LOSSES, means, strict=True)},
            "images_per_second": round(len(self.entries) * self.batch_size / seconds, 3),
            "data_wait_share": round(self.waited / seconds, 4),
            "memory_mb": peak_memory_mb(self.processes.device),
            "empty_batches": self.empty_batches,
            "time": round(time.time(), 3),
        }
        self._open([])
        return record

    def suspend(self) -> list[list[float]]:
        """Losses of the iterations since the last record, averaged over the processes, for a checkpoint.

        Raises:
            TrainingError: a loss is not finite; the images of the first such batch are named.
        """
        if not self.entries:
            return self.earlier
        losses = torch.stack([entry[2] for entry in self.entries])
        finite = losses.isfinite().all(1).tolist()
        if not all(finite):
            iteration, index, _, _ = self.entries[finite.index(False)]
            what = f"the loss is not finite at iteration {iteration + 1}, images"
            do = "check these images and their masks; a smaller lr or a longer warm-up may help"
            raise TrainingError(f"{what} {', '.join(self.ids[i] for i in index.tolist())}", do)
        empty = torch.stack([entry[3] for entry in self.entries]).sum()
        self.empty_batches += int(self.processes.sum(empty))
        rows: list[list[float]] = (self.processes.sum(losses) / self.processes.count).tolist()
        return self.earlier + rows

    def _open(self, earlier: list[list[float]]) -> None:
        """Start a window; ``earlier`` are losses of its iterations before a resumed training went on."""
        self.earlier, self.started, self.waited = earlier, time.monotonic(), 0.0
        self.entries: list[tuple[int, Tensor, Tensor, Tensor]] = []


class MetricsLog:
    """All records so far, and the file in which others can follow them.

    The records in memory and in every checkpoint are the ones that count. The file is replaced when a training starts
    or resumes: a former holder of the lease then writes into a deleted file.
    """

    def __init__(self, path: Path, before: bytes, fence: Fence | None = None) -> None:
        self._content, self._fence = bytearray(before), fence
        write_bytes(path, before, fence)
        self._stream = open(path, "ab")  # noqa: SIM115 closed by close()

    def append(self, record: dict[str, Any]) -> None:
        """Write one record; it reaches the file at once."""
        line = json.dumps(record, allow_nan=False).encode() + b"\n"
        if self._fence:
            self._fence.check()
        self._content += line
        self._stream.write(line)
        self._stream.flush()

    def content(self) -> bytes:
        """All records so far, as the file has them."""
        return bytes(self._content)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def curve_csv(metrics: bytes) -> str:
    """The curves in a metrics.jsonl as a CSV table, which plotting tools read."""
    records = [json.loads(line) for line in metrics.splitlines()]
    rows = (",".join(str(record[key]) for key in CURVES) for record in records if LOSSES[0] in record)
    return "\n".join([",".join(CURVES), *rows]) + "\n"


def peak_memory_mb(device: torch.device) -> int:
    """Largest memory use so far in MB: of the device for CUDA, of the process otherwise."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device) / 2**20)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)
