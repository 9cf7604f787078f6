"""The golden numbers, which the original implementation gave, and the pseudo-random inputs that it was given.

The weights and images need numpy's PCG64 bit stream and nothing of its distributions, so they are the same on any
machine. tests/golden/README.md states the rules.
"""

from __future__ import annotations

import functools
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pointrend.datasets.classes import IGNORE
from pointrend.model.inputs import Bytes
from pointrend.model.pointrend import Architecture, PointDraws, PointRend
from pointrend.model.weights import from_upstream, to_upstream

GOLDEN = Path(__file__).parent / "golden"
VOC_R50 = Architecture(num_classes=21, depth=50)


def usym(seed: int, shape: Sequence[int], std: float) -> NDArray[np.float64]:
    """Uniform, symmetric about 0, of that standard deviation, out of multiples of 2**-24 in [0, 1)."""
    u24 = (np.random.PCG64(seed).random_raw(math.prod(shape)) >> np.uint64(40)) / 2.0**24
    return ((2 * u24 - 1) * math.sqrt(3) * std).reshape(shape)


def _weight(name: str, shape: Sequence[int]) -> Tensor:
    """The entry ``name`` (SSSegmentation's name) of the state dict."""
    seed = zlib.crc32(f"golden/{name}".encode())
    if name.endswith("num_batches_tracked"):
        return torch.zeros(list(shape), dtype=torch.int64)
    if name.endswith("running_mean"):
        values = usym(seed, shape, 0.05)
    elif name.endswith("running_var"):
        values = np.exp(usym(seed, shape, 0.2))
    elif name.endswith(".bias"):
        values = usym(seed, shape, 0.02)
    elif len(shape) == 1:
        values = (0.25 if name.endswith("bn3.weight") else 1) * (1 + usym(seed, shape, 0.1))
    else:
        gain = 0.2 if name in ("decoder.1.weight", "auxiliary_decoder.1.weight") else 1
        values = usym(seed, shape, gain * math.sqrt(2 / math.prod(shape[1:])))
    return torch.from_numpy(values.astype(np.float32))


@functools.cache
def golden_state() -> Mapping[str, Tensor]:
    """The golden weights of PointRend R-50 on VOC under SSSegmentation's names, float32."""
    with torch.device("meta"):
        ours = PointRend(VOC_R50).state_dict()
    return {name: _weight(name, tensor.shape) for name, tensor in to_upstream(ours).items()}


def golden_model(dtype: torch.dtype = torch.float32) -> PointRend:
    """A new PointRend R-50 for VOC with the golden weights, in train mode."""
    model = PointRend(VOC_R50)
    model.load_state_dict(from_upstream(golden_state()))
    return model.to(dtype)


def golden_batch(seed: int, batch: int, height: int, width: int) -> Tensor:
    """Images (batch, 3, height, width), float32: noise on a smooth ground."""
    noise = torch.from_numpy((0.6 * usym(seed, (batch, 3, height, width), 1.0)).astype(np.float32))
    ground = torch.from_numpy(usym(seed + 1, (batch, 3, 5, 5), 1.2).astype(np.float32))
    return noise + functional.interpolate(ground, (height, width), mode="bilinear", align_corners=True)


def training_batch(dtype: torch.dtype) -> tuple[Tensor, Tensor, PointDraws]:
    """Images, labels (255 = ignore) and point draws of the golden training steps."""
    arrays = golden_arrays()
    labels = torch.from_numpy(arrays["train_labels"].astype(np.int64))
    labels[labels == -100] = VOC_R50.ignore_index
    draws = (torch.from_numpy(arrays[f"train_rand_{kind}"]).to(dtype) for kind in ("oversampled", "uniform"))
    return torch.from_numpy(arrays["train_images"]).to(dtype), labels, PointDraws(*draws)


@functools.cache
def golden_arrays(what: str = "model") -> Mapping[str, NDArray[Any]]:
    """The golden arrays of ``model``, ``transforms`` or ``metric``."""
    with np.load(GOLDEN / f"{what}.npz") as arrays:
        return dict(arrays)


@functools.cache
def golden_facts(what: str = "model") -> Mapping[str, Any]:
    """The golden scalars of ``model``, ``transforms`` or ``metric``."""
    return json.loads((GOLDEN / f"{what}.json").read_text(encoding="utf-8"))


def image_and_label(name: str) -> tuple[Bytes, Bytes]:
    """A golden image (H, W, 3), BGR, and its label (H, W), 255 = ignored; both uint8."""
    arrays, source = golden_arrays("transforms"), "land" if name in ("allignore", "oneclass") else name
    given = arrays[f"pic_{source}_label"]
    label = np.where(given == -100, IGNORE, given).astype(np.uint8)
    if name == "allignore":
        label[:] = IGNORE
    if name == "oneclass":
        label[label != IGNORE] = 2
    return arrays[f"pic_{source}_image_bgr"], label


def golden_label(label: Bytes) -> NDArray[np.int16]:
    """One of our labels in the golden convention: int16, -100 = ignored."""
    return np.where(label == IGNORE, -100, label.astype(np.int16)).astype(np.int16)
