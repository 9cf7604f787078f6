"""A training that goes on and on: what it takes of memory, file handles and disk.

The network has one block a stage and the pictures are small, so that an iteration takes milliseconds; all else is the
real training loop, with its log, its records and its checkpoints.

``python -m tests.trust.endless 100000 --write`` also rewrites the table in docs/reliability.md.
"""

from __future__ import annotations

import json
import os
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
from tests.trust.campaign import campaign, markdown

LOG_EVERY = 20
WARM_UP = 0.25  # share of the iterations after which memory must be flat
MOST_MEMORY_BYTES = 1024  # per iteration, as docs/reliability.md states
MOST_RECORD_BYTES = 400  # of metrics.jsonl; docs/reliability.md states what that makes of a whole run
SMALL = (
    *("crop_size=[32, 32]", "base_size=[80, 40]", "batch_size=2", "width=2", "train_points=16", "lr=0.0001"),
    *("subdivision_points=16", "subdivision_steps=1", "fpn_channels=4", "scale_channels=4", "point_channels=4"),
    "checkpoint_minutes=0.1",
)


@dataclass(frozen=True)
class Observation:
    """What a training took after its warm-up."""

    iterations: int
    memory_bytes_an_iteration: float  # slope of the resident memory, by least squares
    file_handles: tuple[int, int]  # fewest and most
    record_bytes: float  # of metrics.jsonl, per record on average
    longest_record_bytes: int
    checkpoints: int  # left on the disk at the end

    def defects(self) -> list[str]:
        """What docs/reliability.md says and does not hold, a line each."""
        few, most = self.file_handles
        holds = {
            "memory grows": self.memory_bytes_an_iteration < MOST_MEMORY_BYTES,
            "open files change": few == most,
            "a record is too long": self.longest_record_bytes <= MOST_RECORD_BYTES,
            "there are not two checkpoints": self.checkpoints == 2,
        }
        return [what for what, held in holds.items() if not held]


def observe(iterations: int, folder: Path, seed: int = 0) -> Observation:
    """Train ``iterations`` iterations in ``folder`` and look on."""
    torch.set_num_threads(1)
    resnet.BLOCKS[50] = (1, 1, 1, 1)
    store = write_tiny_store(folder / "store", pictures=4)
    setting = tiny_setting(*SMALL, f"epochs={-(-iterations // 2)}", f"log_every={LOG_EVERY}")
    trainer = Trainer(setting, seed, store, folder / "checkpoints", None, Processes(0, 1, torch.device("cpu")))
    seen: list[tuple[int, int, int]] = []
    report = trainer._report

    def look(record: dict[str, Any], bar: Any) -> None:
        report(record, bar)
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


def table(seen: Observation) -> str:
    """What was seen as a Markdown table."""
    rows = {
        "iterations": f"{seen.iterations:,}",
        "growth of memory, bytes per iteration": f"{seen.memory_bytes_an_iteration:.1f}",
        "open files, fewest and most": "{}, {}".format(*seen.file_handles),
        "bytes per record, on average and at most": f"{seen.record_bytes:.0f}, {seen.longest_record_bytes}",
        "checkpoints at the end": str(seen.checkpoints),
    }
    return markdown(("what", "seen"), *rows.items())


def run(iterations: int, seed: int) -> tuple[str, str, list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        seen = observe(iterations, Path(folder), seed)
    return json.dumps(asdict(seen)), table(seen), seen.defects()


if __name__ == "__main__":
    campaign("endless", run)
