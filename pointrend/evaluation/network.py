"""A run's network with weights from a file, ready to look at pictures."""

from __future__ import annotations

from pathlib import Path

import torch

from pointrend.allocator import keep_freed_memory
from pointrend.datasets.registry import classes_of
from pointrend.errors import WeightsError
from pointrend.machine import choose_device
from pointrend.model.build import architecture
from pointrend.model.pointrend import PointRend
from pointrend.model.precision import allow_tf32
from pointrend.model.weights import load_released, load_weights
from pointrend.params import RunSetting


def load_network(setting: RunSetting, weights: Path) -> tuple[PointRend, torch.device]:
    """The network of ``setting`` in eval mode, and the device it is on.

    One process scores, with the setting's CPU threads. float32 stays float32, as in training.

    Raises:
        WeightsError: the file is missing or does not hold this network.
    """
    if not weights.is_file():
        raise WeightsError(f"weights {weights} are not there", "train the run first or name a file that exists")
    if setting.recipe.threads:
        torch.set_num_threads(setting.recipe.threads)
    model = PointRend(architecture(setting, len(classes_of(setting.dataset).names)))
    (load_weights if weights.suffix == ".safetensors" else load_released)(weights, model)
    device = scoring_device(setting)
    allow_tf32(False)
    keep_freed_memory()
    layout = torch.channels_last if setting.recipe.channels_last else torch.contiguous_format
    return model.to(device).to(memory_format=layout).eval(), device


def scoring_device(setting: RunSetting) -> torch.device:
    """CUDA where there is one, unless the setting says ``cpu``."""
    return choose_device("cpu" if setting.recipe.device == "cpu" else "auto")
