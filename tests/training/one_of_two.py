"""One of two processes that train voc_r50 at full width, on a crop each; leaves what it saw and its network.

Arguments: the folder of the data, and one for the results.
"""

from __future__ import annotations

import sys
from pathlib import Path

from safetensors.torch import save_file

from pointrend.training.distributed import join_processes
from tests.training.observed import paper_trainer, steps_of

SMALLER = ("gpus=2", "batch_size=2", "crop_size=[128, 128]")

data, out = map(Path, sys.argv[1:])
with join_processes(2, "cpu", 1) as processes:
    trainer = paper_trainer("voc_r50", data, out / "checkpoints", processes, *SMALLER)
    steps = steps_of(trainer, 2)
    saved = {f"model.{name}": value.contiguous() for name, value in trainer.model.state_dict().items()}
    for number, step in enumerate(steps):
        saved |= {f"images.{number}": step.images.contiguous(), f"draws.{number}": step.draws.uniform}
        saved |= {f"local.{number}.{i}": gradient for i, gradient in enumerate(step.of_sum)}
        saved |= {f"joint.{number}.{i}": gradient for i, gradient in enumerate(step.gradients)}
    save_file(saved, out / f"{processes.rank}.safetensors")
