"""What RECIPE says of the six runs, in numbers typed from it: sections 0, 3, 6, 7.5, 8, 10.

Nothing here is read from params.yaml or published/, so that an error there is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import BatchSampler, DistributedSampler

from benchmarks.plain_loader import augmented
from pointrend.model.inputs import Bytes
from pointrend.model.pointrend import Architecture

GPUS = 4
IGNORED = 255
BASES = {"voc": (2048, 512), "ade20k": (2048, 512), "cityscapes": (2048, 1024)}  # long and short side at scale 1
PRETRAINED = {50: ("resnet50_v1c-2cccc1ad.pth", "2cccc1ad"), 101: ("resnet101_v1c-e67eebb6.pth", "e67eebb6")}
MEAN = np.array([123.675, 116.28, 103.53])  # of red, green and blue
STD = np.array([58.395, 57.12, 57.375])


@dataclass(frozen=True)
class Published:
    """One run; ``crop`` is (height, width), ``iterations`` are those of an epoch on four GPUs."""

    depth: int
    classes: int
    images: int
    batch: int
    epochs: int
    crop: tuple[int, int]
    iterations: int
    total: int
    parameters: int


RUNS = {
    "voc_r50": Published(50, 21, 10582, 16, 60, (512, 512), 661, 39_660, 28_720_323),
    "voc_r101": Published(101, 21, 10582, 16, 60, (512, 512), 661, 39_660, 47_712_451),
    "ade20k_r50": Published(50, 150, 20210, 16, 130, (512, 512), 1263, 164_190, 28_891_248),
    "ade20k_r101": Published(101, 150, 20210, 16, 130, (512, 512), 1263, 164_190, 47_883_376),
    "cityscapes_r50": Published(50, 19, 2975, 8, 220, (512, 1024), 372, 81_840, 28_717_935),
    "cityscapes_r101": Published(101, 19, 2975, 8, 220, (512, 1024), 372, 81_840, 47_710_063),
}


def network(run: str) -> Architecture:
    """Sections 7 to 9."""
    return Architecture(
        num_classes=RUNS[run].classes,
        depth=RUNS[run].depth,
        width=64,
        fpn_channels=256,
        scale_channels=128,
        point_channels=256,
        output_stride=32,
        zero_init_last_norm=False,
        train_points=2048,
        oversample_ratio=3,
        importance_ratio=0.75,
        subdivision_steps=2,
        subdivision_points=8196,
        point_loss_weight=1.0,
        coarse_loss_weight=0.4,
        ignore_index=IGNORED,
    )


def rate(iteration: int, total: int) -> float:
    """Section 10."""
    decayed = (1 - iteration / total) ** 0.9 * (0.01 - 0.0001) + 0.0001
    return decayed * (1 - (1 - iteration / 200) * 0.9) if iteration <= 200 else decayed


def place(run: str, iteration: int) -> tuple[int, int]:
    """Epoch, counted from 1, and batch in it, from 0, of an iteration, from 0."""
    epoch, batch = divmod(iteration, RUNS[run].iterations)
    return epoch + 1, batch


def number(seed: int, *key: int) -> int:
    """A seed for torch from numpy's independent streams; the key starts with 0 for orders, 2 for points."""
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)[0] >> 1)


def indices(run: str, iteration: int, rank: int, seed: int) -> list[int]:
    """Section 6: torch's own sampler, which pads, and then a loader that drops the last incomplete batch."""
    epoch, batch = place(run, iteration)
    samples: Any = range(RUNS[run].images)
    of_epoch = number(seed, 0, epoch) - epoch  # the sampler adds the epoch
    sampler: Any = DistributedSampler(samples, GPUS, rank, shuffle=True, seed=of_epoch, drop_last=False)
    sampler.set_epoch(epoch)
    batches = list(BatchSampler(sampler, RUNS[run].batch // GPUS, drop_last=True))
    assert len(batches) == RUNS[run].iterations
    return batches[batch]


def sample(
    run: str, image: Bytes, label: Bytes, key: tuple[int, int, int]
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Section 3, of the sample with (seed, epoch, index): image (3, H, W), RGB, and label (H, W)."""
    draws = np.random.RandomState(np.random.PCG64(np.random.SeedSequence(key[0], spawn_key=(1, *key[1:]))))
    image, label = augmented(image, label, BASES[run.split("_")[0]], RUNS[run].crop, draws)
    floats = (image[..., ::-1].astype(np.float64) - MEAN) / STD
    (height, width), (rows, columns) = RUNS[run].crop, label.shape
    top, left = (height - rows) // 2, (width - columns) // 2
    margins = ((top, height - rows - top), (left, width - columns - left))
    floats = np.pad(floats, (*margins, (0, 0)))  # 0 after normalisation: the mean colour
    return floats.transpose(2, 0, 1), np.pad(label, margins, constant_values=IGNORED)


def point_draws(run: str, iteration: int, rank: int, seed: int) -> tuple[Tensor, Tensor]:
    """Section 8: 2048 * 3 candidates, and the 2048 - 1536 that are not chosen among them."""
    generator = torch.Generator().manual_seed(number(seed, 2, iteration, rank))
    share = RUNS[run].batch // GPUS
    return torch.rand(share, 6144, 2, generator=generator), torch.rand(share, 512, 2, generator=generator)
