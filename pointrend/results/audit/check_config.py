"""A published config compared with our recipe, value by value, the output stride first."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pointrend.datasets.registry import classes_of
from pointrend.results.audit.configs import Config
from pointrend.settings.params import RunSetting

NOT_STATED = "not stated"
# What our transforms, network and inference do whatever the params say; tests compare these with that code.
FLIP_PROBABILITY = 0.5
ALIGN_CORNERS = False
POINT_LAYERS = 3
SUBDIVISION_FACTOR = 2
MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
TRAINING_STEPS = ("Resize", "RandomCrop", "RandomFlip", "PhotoMetricDistortion", "Normalize", "ToTensor", "Padding")
TEST_STEPS = ("Resize", "Normalize", "ToTensor")


@dataclass(frozen=True)
class Comparison:
    """A value of ours beside theirs. ``agrees``: None where theirs is not stated and need not be."""

    key: str
    ours: Any
    theirs: Any
    agrees: bool | None

    def __str__(self) -> str:
        return f"{self.key} {self.theirs}, ours {self.ours}"


def check_config(config: Config, setting: RunSetting, sets: str) -> list[Comparison]:
    """Compare ``config`` with the recipe in ``setting``; ``sets`` are the splits, for example ``trainaug/val``."""
    return [_compare(path, value, config) for path, value in _ours(setting, *sets.split("/")).items()]


def disagreeing(rows: Iterable[Comparison]) -> list[Comparison]:
    """The rows that do not agree."""
    return [row for row in rows if row.agrees is False]


def _ours(setting: RunSetting, train_set: str, test_set: str) -> dict[str, Any]:
    """Our values by their paths in a config; one with "?" may be missing, the original code has that value then."""
    recipe = setting.recipe
    train, test = "DATASET_CFG.train.aug_opts", "DATASET_CFG.test.aug_opts"
    return {
        "SEGMENTOR_CFG.backbone.outstride": recipe.output_stride,
        "SEGMENTOR_CFG.backbone.type": f"resnet{setting.depth}",
        "SEGMENTOR_CFG.backbone.use_stem": True,
        "SEGMENTOR_CFG.backbone.pretrained?": recipe.pretrained,
        "SEGMENTOR_CFG.type?": "pointrend",
        "SEGMENTOR_CFG.num_classes": len(classes_of(setting.dataset).names),
        "SEGMENTOR_CFG.align_corners": ALIGN_CORNERS,
        "SEGMENTOR_CFG.fpn.out_channels?": recipe.fpn_channels,
        "SEGMENTOR_CFG.fpn.upsample_cfg.mode?": "nearest",
        "SEGMENTOR_CFG.fpn.scale_head_channels?": recipe.scale_channels,
        "SEGMENTOR_CFG.pointrend.num_fcs": POINT_LAYERS,
        "SEGMENTOR_CFG.pointrend.feats_channels?": recipe.point_channels,
        "SEGMENTOR_CFG.pointrend.coarse_pred_each_layer?": True,
        "SEGMENTOR_CFG.pointrend.train.num_points": recipe.train_points,
        "SEGMENTOR_CFG.pointrend.train.oversample_ratio": recipe.oversample_ratio,
        "SEGMENTOR_CFG.pointrend.train.importance_sample_ratio": recipe.importance_ratio,
        "SEGMENTOR_CFG.pointrend.test.subdivision_steps": recipe.subdivision_steps,
        "SEGMENTOR_CFG.pointrend.test.subdivision_num_points": recipe.subdivision_points,
        "SEGMENTOR_CFG.pointrend.test.scale_factor": SUBDIVISION_FACTOR,
        "DATALOADER_CFG.train.batch_size": recipe.batch_size,
        "SCHEDULER_CFG.max_epochs": recipe.epochs,
        "SCHEDULER_CFG.type": "poly",
        "SCHEDULER_CFG.power": recipe.poly_power,
        "SCHEDULER_CFG.min_lr?": recipe.lr * recipe.min_lr_ratio,
        "SCHEDULER_CFG.warmup_cfg.type": "linear",
        "SCHEDULER_CFG.warmup_cfg.ratio": recipe.warmup_ratio,
        "SCHEDULER_CFG.warmup_cfg.iters": recipe.warmup_iterations,
        "OPTIMIZER_CFG.type": "sgd",
        "OPTIMIZER_CFG.lr": recipe.lr,
        "OPTIMIZER_CFG.momentum": recipe.momentum,
        "OPTIMIZER_CFG.weight_decay": recipe.weight_decay,
        "LOSSES_CFG.loss_cls.celoss.scale_factor": recipe.point_loss_weight,
        "LOSSES_CFG.loss_aux.celoss.scale_factor": recipe.coarse_loss_weight,
        "DATASET_CFG.type": setting.dataset,
        "DATASET_CFG.train.set": train_set,
        train: TRAINING_STEPS,
        f"{train}.Resize.output_size": recipe.base_size,
        f"{train}.Resize.keep_ratio?": True,
        f"{train}.Resize.scale_range": recipe.scale_range,
        f"{train}.RandomCrop.crop_size": recipe.crop_size,
        f"{train}.RandomCrop.one_category_max_ratio": recipe.max_class_share,
        f"{train}.RandomFlip.flip_prob": FLIP_PROBABILITY,
        f"{train}.Normalize.mean": MEAN,
        f"{train}.Normalize.std": STD,
        f"{train}.Padding.output_size": recipe.crop_size,
        "DATASET_CFG.test.set": test_set,
        test: TEST_STEPS,
        f"{test}.Resize.output_size": recipe.base_size,
        f"{test}.Resize.scale_range": None,
        f"{test}.Normalize.mean": MEAN,
        f"{test}.Normalize.std": STD,
    }


def _compare(path: str, ours: Any, config: Config) -> Comparison:
    key, ours = path.removesuffix("?"), _plain(ours)
    try:
        theirs = _plain(_at(config, key))
    except (KeyError, TypeError, ValueError):
        return Comparison(key, ours, NOT_STATED, None if path.endswith("?") else False)
    return Comparison(key, ours, theirs, ours == theirs)


def _at(config: Config, path: str) -> Any:
    """The value at a dotted path; a list of steps, pairs of a name and arguments, is entered by name."""
    found: Any = config
    for key in path.split("."):
        found = (dict(found) if isinstance(found, list) else found)[key]
    return found


def _plain(value: Any) -> Any:
    """What JSON can hold: tuples as lists, steps as the list of their names, and whatever else as it is written."""
    if isinstance(value, (list, tuple)):
        return [item[0] if _is_step(item) else _plain(item) for item in value]
    plain = value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value))
    return value if plain else repr(value)


def _is_step(item: Any) -> bool:
    return isinstance(item, (list, tuple)) and len(item) == 2 and isinstance(item[0], str)
