"""Independent random numbers for every seed, purpose and place of a training.

With ``seed + epoch``, as torch's DistributedSampler has it, the images of seed 1 come in the order of seed 0, one epoch
later. Two trainings that share their order do not vary as much as two independent ones would.
"""

from __future__ import annotations

import numpy as np

# What the numbers are for: the order of an (epoch), the augmentation of a sample (epoch, index), the points of a step
# (iteration, rank).
ORDER, SAMPLE, POINTS = range(3)


def stream(seed: int, purpose: int, *place: int) -> np.random.SeedSequence:
    """The random numbers of ``seed`` for a ``purpose`` at a ``place``; numpy's way to make independent streams."""
    return np.random.SeedSequence(seed, spawn_key=(purpose, *place))


def torch_seed(seed: int, purpose: int, *place: int) -> int:
    """The same as a seed for a torch generator, of 63 bits."""
    return int(stream(seed, purpose, *place).generate_state(1, np.uint64)[0] >> 1)
