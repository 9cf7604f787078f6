"""A published config held against our recipe, value by value, the output stride first."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from pointrend.datasets.registry import classes_of
from pointrend.results.audit.configs import Config
from pointrend.settings.params import RunSetting

NOT_STATED = "not stated"
FLIP_PROBABILITY = 0.5
ALIGN_CORNERS = False
POINT_LAYERS = 3
SUBDIVISION_FACTOR = 2
MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
"""What our transforms, network and inference do whatever the params say; tests hold these against that code."""
TRAINING_STEPS = ("Resize", "RandomCrop", "RandomFlip", "PhotoMetricDistortion", "Normalize", "ToTensor", "Padding")
TEST_STEPS = ("Resize", "Normalize", "ToTensor")

_SEGMENTOR, _SCHEDULER, _OPTIMIZER = "SEGMENTOR_CFG", "SCHEDULER_CFG", "OPTIMIZER_CFG"
_TRAIN, _TEST = "DATASET_CFG.train", "DATASET_CFG.test"


@dataclass(frozen=True)
class Comparison:
    """A value of ours beside theirs. ``agrees``: None where theirs is not stated and need not be."""

    key: str
    ours: Any
    theirs: Any
    agrees: bool | None

    def __str__(self) -> str:
        return f"{self.key} {self.theirs}, ours {self.ours}"

    def as_json(self) -> dict[str, Any]:
        """For ``audit --json``."""
        return asdict(self)


@dataclass(frozen=True)
class _Pair:
    """A value of ours and where theirs stands. ``needed``: theirs must be stated, since it carries the recipe."""

    path: str
    ours: Any
    needed: bool = True


def check_config(config: Config, setting: RunSetting, sets: str) -> list[Comparison]:
    """Hold ``config`` against the recipe in ``setting``; ``sets`` are the splits, for example ``trainaug/val``."""
    pairs = [*_network(setting), *_training(setting), *_data(setting, sets)]
    return [_compare(pair, config) for pair in pairs]


def _network(setting: RunSetting) -> list[_Pair]:
    recipe = setting.recipe
    point, fpn = f"{_SEGMENTOR}.pointrend", f"{_SEGMENTOR}.fpn"
    return [
        _Pair(f"{_SEGMENTOR}.backbone.outstride", recipe.output_stride),
        _Pair(f"{_SEGMENTOR}.backbone.type", f"resnet{setting.depth}"),
        _Pair(f"{_SEGMENTOR}.backbone.use_stem", True),
        _Pair(f"{_SEGMENTOR}.backbone.pretrained", recipe.pretrained, needed=False),
        _Pair(f"{_SEGMENTOR}.type", "pointrend", needed=False),
        _Pair(f"{_SEGMENTOR}.num_classes", len(classes_of(setting.dataset).names)),
        _Pair(f"{_SEGMENTOR}.align_corners", ALIGN_CORNERS),
        _Pair(f"{fpn}.out_channels", recipe.fpn_channels, needed=False),
        _Pair(f"{fpn}.upsample_cfg.mode", "nearest", needed=False),
        _Pair(f"{fpn}.scale_head_channels", recipe.scale_channels, needed=False),
        _Pair(f"{point}.num_fcs", POINT_LAYERS),
        _Pair(f"{point}.feats_channels", recipe.point_channels, needed=False),
        _Pair(f"{point}.coarse_pred_each_layer", True, needed=False),
        _Pair(f"{point}.train.num_points", recipe.train_points),
        _Pair(f"{point}.train.oversample_ratio", recipe.oversample_ratio),
        _Pair(f"{point}.train.importance_sample_ratio", recipe.importance_ratio),
        _Pair(f"{point}.test.subdivision_steps", recipe.subdivision_steps),
        _Pair(f"{point}.test.subdivision_num_points", recipe.subdivision_points),
        _Pair(f"{point}.test.scale_factor", SUBDIVISION_FACTOR),
    ]


def _training(setting: RunSetting) -> list[_Pair]:
    recipe = setting.recipe
    return [
        _Pair("DATALOADER_CFG.train.batch_size", recipe.batch_size),
        _Pair(f"{_SCHEDULER}.max_epochs", recipe.epochs),
        _Pair(f"{_SCHEDULER}.type", "poly"),
        _Pair(f"{_SCHEDULER}.power", recipe.poly_power),
        _Pair(f"{_SCHEDULER}.min_lr", recipe.lr * recipe.min_lr_ratio, needed=False),
        _Pair(f"{_SCHEDULER}.warmup_cfg.type", "linear"),
        _Pair(f"{_SCHEDULER}.warmup_cfg.ratio", recipe.warmup_ratio),
        _Pair(f"{_SCHEDULER}.warmup_cfg.iters", recipe.warmup_iterations),
        _Pair(f"{_OPTIMIZER}.type", "sgd"),
        _Pair(f"{_OPTIMIZER}.lr", recipe.lr),
        _Pair(f"{_OPTIMIZER}.momentum", recipe.momentum),
        _Pair(f"{_OPTIMIZER}.weight_decay", recipe.weight_decay),
        _Pair("LOSSES_CFG.loss_cls.celoss.scale_factor", recipe.point_loss_weight),
        _Pair("LOSSES_CFG.loss_aux.celoss.scale_factor", recipe.coarse_loss_weight),
    ]


def _data(setting: RunSetting, sets: str) -> list[_Pair]:
    recipe = setting.recipe
    train_set, test_set = sets.split("/")
    train, test = f"{_TRAIN}.aug_opts", f"{_TEST}.aug_opts"
    return [
        _Pair("DATASET_CFG.type", setting.dataset),
        _Pair(f"{_TRAIN}.set", train_set),
        _Pair(train, TRAINING_STEPS),
        _Pair(f"{train}.Resize.output_size", recipe.base_size),
        _Pair(f"{train}.Resize.keep_ratio", True, needed=False),
        _Pair(f"{train}.Resize.scale_range", recipe.scale_range),
        _Pair(f"{train}.RandomCrop.crop_size", recipe.crop_size),
        _Pair(f"{train}.RandomCrop.one_category_max_ratio", recipe.max_class_share),
        _Pair(f"{train}.RandomFlip.flip_prob", FLIP_PROBABILITY),
        _Pair(f"{train}.Normalize.mean", MEAN),
        _Pair(f"{train}.Normalize.std", STD),
        _Pair(f"{train}.Padding.output_size", recipe.crop_size),
        _Pair(f"{_TEST}.set", test_set),
        _Pair(test, TEST_STEPS),
        _Pair(f"{test}.Resize.output_size", recipe.base_size),
        _Pair(f"{test}.Resize.scale_range", None),
        _Pair(f"{test}.Normalize.mean", MEAN),
        _Pair(f"{test}.Normalize.std", STD),
    ]


def _compare(pair: _Pair, config: Config) -> Comparison:
    try:
        theirs = _plain(_at(config, pair.path))
    except (KeyError, TypeError, ValueError):
        return Comparison(pair.path, _plain(pair.ours), NOT_STATED, False if pair.needed else None)
    ours = _plain(pair.ours)
    return Comparison(pair.path, ours, theirs, ours == theirs)


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
    finite = isinstance(value, float) and math.isfinite(value)
    return value if value is None or finite or isinstance(value, (bool, int, str)) else repr(value)


def _is_step(item: Any) -> bool:
    return isinstance(item, (list, tuple)) and len(item) == 2 and isinstance(item[0], str)
