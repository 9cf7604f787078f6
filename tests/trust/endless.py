"""A training that goes on and on: what it takes of memory, file handles and disk. ``python -m tests.trust.endless N``.

The network has one block a stage and the pictures are small, so that an iteration takes milliseconds; all else is the
real training loop, with its log, its records and its checkpoints.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pointrend.model import resnet
from pointrend.training.distributed import Processes
from pointrend.training.loop import Trainer
from tests.tiny import tiny_setting, write_tiny_store

LOG_EVERY = 20
WARM_UP = 0.25
"""Share of the iterations after which memory must be flat."""
SMALL = (
    *(
        "crop_size=[32, 32]",
        "base_size=[80, 40]",
        "batch_size=2",
        "width=2",
        "train_points=16",
        "subdivision_points=16",
    ),
    *(
        "subdivision_steps=1",
        "fpn_channels=4",
        "scale_channels=4",
        "point_channels=4",
        "checkpoint_minutes=0.1",
        "lr=0.0001",
    ),
)


@dataclass(frozen=True)
class Observation:
    """What a training took after its warm-up."""

    iterations: int
    memory_bytes_an_iteration: float
    """Slope of the resident memory, by least squares."""
    file_handles: tuple[int, int]
    """Fewest and most."""
    record_bytes: float
    """Of metrics.jsonl, a record on average."""
    longest_record_bytes: int
    checkpoints: int
    """Left on the disk at the end."""


def observe(iterations: int, folder: Path) -> Observation:
    """Train ``iterations`` iterations in ``folder`` and look on."""
    torch.set_num_threads(1)
    resnet.BLOCKS[50] = (1, 1, 1, 1)
    store = write_tiny_store(folder / "store", pictures=4)
    setting = tiny_setting(*SMALL, f"epochs={-(-iterations // 2)}", f"log_every={LOG_EVERY}")
    trainer = Trainer(setting, 0, store, folder / "checkpoints", None, Processes(0, 1, torch.device("cpu")))
    seen: list[tuple[int, int, int]] = []
    report = trainer._report

    def look(record: dict[str, Any]) -> None:
        report(record)
        seen.append((record["iteration"], resident_bytes(), len(os.listdir("/proc/self/fd"))))

    trainer._report = look  # type: ignore[method-assign]
    trainer.run()
    later = [entry for entry in seen if entry[0] > WARM_UP * iterations]
    done, memory, handles = (np.array(column) for column in zip(*later, strict=True))
    lines = (folder / "checkpoints/metrics.jsonl").read_bytes().splitlines(keepends=True)
    return Observation(
        iterations=int(done[-1]),
        memory_bytes_an_iteration=float(np.polyfit(done, memory, 1)[0]),
        file_handles=(int(handles.min()), int(handles.max())),
        record_bytes=sum(map(len, lines)) / len(lines),
        longest_record_bytes=max(map(len, lines)),
        checkpoints=len(list((folder / "checkpoints").glob("*.safetensors"))),
    )


def resident_bytes() -> int:
    """Memory of this process that is in RAM."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(asdict(observe(int(sys.argv[1]), Path(place)))))
