"""A run's network with weights from a file, ready to segment images."""

from __future__ import annotations

import contextlib
from pathlib import Path

import torch

from pointrend.checkout.machine import choose_device, keep_freed_memory
from pointrend.datasets.registry import classes_of
from pointrend.errors import DatasetError, WeightsError
from pointrend.model.pointrend import Architecture, PointRend, allow_tf32
from pointrend.model.weights import fitting, load_released, load_weights
from pointrend.settings.params import Params, RunSetting


def load_network(setting: RunSetting, weights: Path, params: Params | None = None) -> tuple[PointRend, torch.device]:
    """The network of ``setting`` in eval mode, and the device it is on.

    One process scores, with the setting's CPU threads. float32 stays float32, as in training.

    Raises:
        WeightsError: the file is missing or does not hold this network; the message names a run of ``params`` that it
            fits.
    """
    if not weights.is_file():
        raise WeightsError(f"weights {weights} do not exist", "train the run first or name a file that exists")
    if setting.recipe.threads:
        torch.set_num_threads(setting.recipe.threads)
    model = _network(setting)
    try:
        (load_weights if weights.suffix == ".safetensors" else load_released)(weights, model)
    except WeightsError as error:
        if params is not None and (others := _runs_that_fit(setting, weights, params)):
            raise WeightsError(error.what, f"it fits {' or '.join(others)}: name that one") from error
        raise
    device = scoring_device(setting)
    allow_tf32(False)
    keep_freed_memory()
    layout = torch.channels_last if setting.recipe.channels_last else torch.contiguous_format
    return model.to(device).to(memory_format=layout).eval(), device


def scoring_device(setting: RunSetting) -> torch.device:
    """CUDA where it is available, unless the setting is ``cpu``."""
    return choose_device("cpu" if setting.recipe.device == "cpu" else "auto")


def _network(setting: RunSetting) -> PointRend:
    return PointRend(Architecture.of(setting, len(classes_of(setting.dataset).names)))


def _runs_that_fit(setting: RunSetting, weights: Path, params: Params) -> list[str]:
    """Other runs whose networks a file fits, at this scale or else at others; none where it fits this one."""
    own, models = (setting.run, ""), {}
    with torch.device("meta"):
        for scale in (setting.scale, *params.scales):
            for run in params.runs:
                with contextlib.suppress(DatasetError):  # a dataset that has no module yet
                    models[run, scale] = _network(params.at_scale(scale).setting(run))
        models[own] = _network(setting)
    found = fitting(weights, models)
    if own in found:
        return []
    here = [run for run, scale in found if scale == setting.scale]
    return here or [f"{run} at scale {scale}" for run, scale in found]
