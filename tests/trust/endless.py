"""A training that goes on and on: what it takes of memory, file handles and disk, as one line of JSON.

The network has one block a stage and the images are small, so that an iteration takes milliseconds; all else is the
real training loop, with its log, its records and its checkpoints. ``python -m tests.trust.endless 100000``
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pointrend.model import resnet
from pointrend.training.loop import Trainer
from tests.tiny import tiny_setting, write_tiny_store
from tests.training.trainings import ALONE

LOG_EVERY = 20
WARM_UP = 0.25  # share of the iterations after which memory must be flat
SMALL = (
    *("crop_size=[32, 32]", "base_size=[80, 40]", "batch_size=2", "width=2", "train_points=16", "lr=0.0001"),
    *("subdivision_points=16", "subdivision_steps=1", "fpn_channels=4", "scale_channels=4", "point_channels=4"),
    "checkpoint_minutes=0.1",
)


def observe(iterations: int, folder: Path) -> dict[str, Any]:
    """Train ``iterations`` iterations in ``folder`` and look on."""
    torch.set_num_threads(1)
    resnet.BLOCKS[50] = (1, 1, 1, 1)
    store = write_tiny_store(folder / "store", pictures=4)
    schedule = f"epochs={-(-iterations // 2)}", f"log_every={LOG_EVERY}"
    trainer = Trainer(tiny_setting(*SMALL, *schedule), 1, store, folder / "checkpoints", None, ALONE)
    seen: list[tuple[int, int, int]] = []

    def look(record: dict[str, Any]) -> None:
        memory = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
        seen.append((record["iteration"], memory, len(os.listdir("/proc/self/fd"))))

    trainer.run(look)
    done, memory, handles = np.array([entry for entry in seen if entry[0] > WARM_UP * iterations]).T
    return {
        "iterations": int(done[-1]),
        "memory_bytes_an_iteration": float(np.polyfit(done, memory, 1)[0]),  # by least squares
        "file_handles": [int(handles.min()), int(handles.max())],
        "longest_record_bytes": max(map(len, (folder / "checkpoints/metrics.jsonl").read_bytes().splitlines(True))),
        "checkpoints": len(list((folder / "checkpoints").glob("*.safetensors"))),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        print(json.dumps(observe(int(sys.argv[1]), Path(temporary))))
