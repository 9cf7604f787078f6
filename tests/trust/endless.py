"""A training that goes on and on: what it takes of memory, file handles and disk.

The network has one block a stage and the pictures are small, so that an iteration takes milliseconds; all else is the
real training loop, with its log, its records and its checkpoints.

``python -m tests.trust.endless 100000 --write`` also rewrites the table in docs/reliability.md.
"""

from __future__ import annotations

import argparse
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
from tests.trust.document import write_table

LOG_EVERY = 20
WARM_UP = 0.25
"""Share of the iterations after which memory must be flat."""
MOST_MEMORY_BYTES = 1024
"""An iteration; docs/reliability.md says so."""
MOST_RECORD_BYTES = 400
"""Of metrics.jsonl; docs/reliability.md says what that makes of a whole run."""
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


def observe(iterations: int, folder: Path) -> Observation:
    """Train ``iterations`` iterations in ``folder`` and look on."""
    torch.set_num_threads(1)
    resnet.BLOCKS[50] = (1, 1, 1, 1)
    store = write_tiny_store(folder / "store", pictures=4)
    setting = tiny_setting(*SMALL, f"epochs={-(-iterations // 2)}", f"log_every={LOG_EVERY}")
    trainer = Trainer(setting, 0, store, folder / "checkpoints", None, Processes(0, 1, torch.device("cpu")))
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
        "growth of memory, bytes an iteration": f"{seen.memory_bytes_an_iteration:.1f}",
        "open files, fewest and most": "{}, {}".format(*seen.file_handles),
        "bytes a record, on average and at most": f"{seen.record_bytes:.0f}, {seen.longest_record_bytes}",
        "checkpoints at the end": str(seen.checkpoints),
    }
    return "| what | seen |\n|-|-|\n" + "".join(f"| {what} | {value} |\n" for what, value in rows.items())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("iterations", type=int)
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        seen = observe(chosen.iterations, Path(place))
    print(json.dumps(asdict(seen)), *seen.defects(), sep="\n")
    if chosen.write:
        write_table("endless", table(seen))
    return 1 if seen.defects() else 0


if __name__ == "__main__":
    sys.exit(main())
