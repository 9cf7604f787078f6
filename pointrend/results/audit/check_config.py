"""A published config compared with our recipe, value by value, the output stride first."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pointrend.datasets.registry import classes_of
from pointrend.results.audit.configs import Config
from pointrend.results.audit.curves import LOG_INTERVAL
from pointrend.settings.params import RunSetting

NOT_STATED = "not stated"
# What our transforms, network, losses and inference do whatever the params say; tests compare these with that code.
FLIP_PROBABILITY = 0.5
POINT_LAYERS = 3
SUBDIVISION_FACTOR = 2
IGNORE_INDEX = 255
NORMALIZE = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}
# Part of a path at the published commit, and what an earlier commit has in its place. A path is changed by every rule
# that fits, one after the other.
EARLIER = (
    ("SEGMENTOR_CFG.head.fpn_in", "SEGMENTOR_CFG.fpn.in"),
    ("SEGMENTOR_CFG.head.pointrend_in", "SEGMENTOR_CFG.pointrend.in"),
    *(("SEGMENTOR_CFG.head.", f"SEGMENTOR_CFG.{part}.") for part in ("fpn", "pointrend", "decoder")),
    ("SEGMENTOR_CFG.fpn.out_channels", "SEGMENTOR_CFG.head.feats_channels"),  # there the pyramid's width has no own key
    ("SEGMENTOR_CFG.", "MODEL_CFG."),
    (".warmup_cfg.", ".warmup."),
    ("SCHEDULER_CFG.max_epochs", "OPTIMIZER_CFG.max_epochs"),
    ("SCHEDULER_CFG.", "OPTIMIZER_CFG.policy."),
    ("SCHEDULER_CFG.", "OPTIMIZER_CFG.policy.opts."),
    ("OPTIMIZER_CFG.lr", "OPTIMIZER_CFG.sgd.learning_rate"),
    ("OPTIMIZER_CFG.", "OPTIMIZER_CFG.sgd."),
    (".celoss.", ".celoss.opts."),
    ("DATASET_CFG.type", "DATASET_CFG.train.type"),
    ("COMMON_CFG.log_interval_iterations", "COMMON_CFG.train.loginterval"),
)


@dataclass(frozen=True)
class Comparison:
    """A value of ours beside theirs. ``agrees``: None where theirs is not stated."""

    key: str
    ours: Any
    theirs: Any
    agrees: bool | None

    def __str__(self) -> str:
        return f"{self.key} {self.theirs}, ours {self.ours}"


def check_config(config: Config, setting: RunSetting, sets: str) -> list[Comparison]:
    """Compare ``config`` with the recipe in ``setting``; ``sets`` are the splits, for example ``trainaug/val``."""
    stated = {path: _plain(value) for path, value in _values(config).items()}
    rows = [_compare(path, _plain(value), stated) for path, value in _leaves(_ours(setting, *sets.split("/"))).items()]
    # One value of theirs may be two of ours.
    return list({(row.key, str(row.ours)): row for row in rows}.values())


def disagreeing(rows: Iterable[Comparison]) -> list[Comparison]:
    """The rows that do not agree."""
    return [row for row in rows if row.agrees is False]


def not_compared(config: Config, rows: Iterable[Comparison]) -> list[str]:
    """Paths of the values in ``config`` that no row compares."""
    compared = {row.key for row in rows}
    return [path for path in _leaves(config) if path not in compared]


def _ours(setting: RunSetting, train_set: str, test_set: str) -> Config:
    """Our values in the form of the published commit; ``fpn`` and ``min_lr`` occur only in other forms."""
    recipe = setting.recipe
    loss = {"ignore_index": IGNORE_INDEX, "reduction": "mean"}
    resize = {"output_size": recipe.base_size, "keep_ratio": True}
    return {
        "SEGMENTOR_CFG": {
            "backbone": {
                "outstride": recipe.output_stride, "type": f"resnet{setting.depth}", "use_stem": True,
                "pretrained": recipe.pretrained, "selected_indices": [0, 1, 2, 3],
            },
            "type": "pointrend", "num_classes": len(classes_of(setting.dataset).names), "align_corners": False,
            "norm_cfg": {"type": "syncbatchnorm"}, "act_cfg": {"type": "relu"},
            "fpn": {"out_channels": recipe.fpn_channels},
            "head": {
                "fpn_in_channels_list": [recipe.width * factor for factor in (4, 8, 16, 32)],
                "pointrend_in_channels_list": [recipe.fpn_channels], "feats_channels": recipe.point_channels,
                "upsample_cfg": {"mode": "nearest"}, "feature_stride_list": [4, 8, 16, 32],
                "scale_head_channels": recipe.scale_channels, "num_fcs": POINT_LAYERS,
                "coarse_pred_each_layer": True, "dropout": 0,
                "train": {
                    "num_points": recipe.train_points, "oversample_ratio": recipe.oversample_ratio,
                    "importance_sample_ratio": recipe.importance_ratio,
                },
                "test": {
                    "subdivision_steps": recipe.subdivision_steps,
                    "subdivision_num_points": recipe.subdivision_points, "scale_factor": SUBDIVISION_FACTOR,
                },
            },
            "auxiliary": {"in_channels": recipe.scale_channels, "dropout": 0, "num_convs": 0},
        },
        "DATALOADER_CFG": {"train": {"batch_size": recipe.batch_size, "shuffle": True, "drop_last": True}},
        "SCHEDULER_CFG": {
            "max_epochs": recipe.epochs, "type": "poly", "power": recipe.poly_power,
            "min_lr": recipe.lr * recipe.min_lr_ratio,
            "warmup_cfg": {"type": "linear", "ratio": recipe.warmup_ratio, "iters": recipe.warmup_iterations},
        },
        "OPTIMIZER_CFG": {
            "type": "sgd", "lr": recipe.lr, "momentum": recipe.momentum, "weight_decay": recipe.weight_decay,
            "params_rules": {},
        },
        "LOSSES_CFG": {
            "loss_cls": {"celoss": {"scale_factor": recipe.point_loss_weight, **loss}},
            "loss_aux": {"celoss": {"scale_factor": recipe.coarse_loss_weight, **loss}},
        },
        "DATASET_CFG": {
            "type": setting.dataset,
            "train": {"set": train_set, "aug_opts": [
                ("Resize", resize | {"scale_range": recipe.scale_range}),
                ("RandomCrop", {"crop_size": recipe.crop_size, "one_category_max_ratio": recipe.max_class_share}),
                ("RandomFlip", {"flip_prob": FLIP_PROBABILITY}), ("PhotoMetricDistortion", {}),
                ("Normalize", NORMALIZE), ("ToTensor", {}), ("Padding", {"output_size": recipe.crop_size}),
            ]},
            "test": {"set": test_set, "aug_opts": [
                ("Resize", resize | {"scale_range": None}), ("Normalize", NORMALIZE), ("ToTensor", {}),
            ]},
        },
        "INFERENCE_CFG": {
            "mode": "whole", "tricks": {"multiscale": [1], "flip": False, "use_probs_before_resize": False},
        },
        "COMMON_CFG": {"log_interval_iterations": LOG_INTERVAL},
    }  # fmt: skip


def _values(value: Any, path: str = "") -> dict[str, Any]:
    """Every value by its dotted path, dictionaries and lists of steps as well as what is in them."""
    inner = dict(value) if isinstance(value, list) and all(map(_is_step, value)) else value
    found = {path: value} if path else {}
    if isinstance(inner, dict):
        for key, item in inner.items():
            found |= _values(item, f"{path}.{key}" if path else str(key))
    return found


def _leaves(config: Config) -> dict[str, Any]:
    return {path: value for path, value in _values(config).items() if not (isinstance(value, dict) and value)}


def _compare(path: str, ours: Any, stated: Config) -> Comparison:
    places = [path]
    for new, old in EARLIER:
        places += [place.replace(new, old) for place in places if new in place]
    places = [place for place in places if place in stated]
    # A config that states a value twice agrees only with both.
    differing = [place for place in places if stated[place] != ours]
    key = next(iter([*differing, *places]), path)
    return Comparison(key, ours, stated.get(key, NOT_STATED), not differing if places else None)


def _is_step(item: Any) -> bool:
    return isinstance(item, (list, tuple)) and len(item) == 2 and isinstance(item[0], str)


def _plain(value: Any) -> Any:
    """What JSON can hold: tuples as lists, steps as the list of their names, and whatever else as it is written."""
    if isinstance(value, (list, tuple)):
        return [item[0] if _is_step(item) else _plain(item) for item in value]
    plain = value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value))
    return value if plain else repr(value)
