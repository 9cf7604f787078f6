"""The recipe compared with configs, value by value."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from pointrend.model.heads import PointHead
from pointrend.model.inputs import MEAN, STD
from pointrend.model.pointrend import Architecture
from pointrend.results.audit import check_config as module
from pointrend.results.audit.check_config import NOT_STATED, Comparison, check_config, disagreeing, not_compared
from pointrend.results.audit.configs import read_config
from pointrend.settings.recipe import Recipe
from pointrend.training.transforms import random_flip
from tests.results.audit.samples import (
    BASE,
    CITYSCAPES_R101,
    OLDER_BASE,
    OLDER_R101,
    VOC_R50,
    sets,
    setting,
    write_config,
)

STRIDE = "SEGMENTOR_CFG.backbone.outstride"
CONFIGS = {
    "voc_r50": (VOC_R50, BASE),
    "cityscapes_r101": (CITYSCAPES_R101, BASE),
    "ade20k_r101": (OLDER_R101, OLDER_BASE),
}
NO_RECIPE = {
    *("DATASET_CFG.rootdir", "DATASET_CFG.train.aug_opts.Padding.data_type", "INFERENCE_CFG.opts"),
    *(f"DATALOADER_CFG.{mode}.{key}" for mode in ("train", "test") for key in ("num_workers", "pin_memory")),
    *(f"DATALOADER_CFG.test.{key}" for key in ("batch_size", "shuffle", "drop_last")),
    *(f"SEGMENTOR_CFG.{key}" for key in ("benchmark", "backend", "act_cfg.inplace", "backbone.series")),
    *(f"COMMON_CFG.{key}" for key in ("work_dir", "logfilepath", "resultsavepath")),
    *("COMMON_CFG.eval_interval_epochs", "COMMON_CFG.save_interval_epochs"),
}


def compared(folder: Path, run: str, *overrides: str, text: str = VOC_R50, base: str = BASE) -> list[Comparison]:
    config = read_config(write_config(folder, text, base))
    return check_config(config, setting(run, *overrides), sets(run))


def differing(rows: list[Comparison]) -> dict[str, tuple[object, object]]:
    return {row.key: (row.ours, row.theirs) for row in disagreeing(rows)}


@pytest.mark.parametrize("run", CONFIGS)
def test_the_recipe_agrees_and_the_output_stride_comes_first(tmp_path: Path, run: str) -> None:
    text, base = CONFIGS[run]
    rows = compared(tmp_path, run, text=text, base=base)
    assert differing(rows) == {}
    assert rows[0].key.endswith("_CFG.backbone.outstride")
    assert (rows[0].ours, rows[0].theirs, rows[0].agrees) == (32, 32, True)
    assert [row.key for row in rows if row.agrees is None] == ["SCHEDULER_CFG.min_lr"]


@pytest.mark.parametrize("run", CONFIGS)
def test_every_value_is_compared_but_for_those_without_the_recipe(tmp_path: Path, run: str) -> None:
    """Changed, each is the one difference; left out, it is not stated, and no difference."""
    text, base = CONFIGS[run]
    config = read_config(write_config(tmp_path, text, base))
    chosen, splits = setting(run), sets(run)
    rows = check_config(config, chosen, splits)
    assert base == OLDER_BASE or set(not_compared(config, rows)) == NO_RECIPE
    for key in {row.key for row in rows if row.agrees}:
        changed = copy.deepcopy(config)
        *holders, last = key.split(".")
        holder: Any = changed
        for name in holders:
            holder = (dict(holder) if isinstance(holder, list) else holder)[name]
        if isinstance(holder, list):
            continue  # a step without arguments: leaving it out changes the list of steps
        holder[last] = "other"
        assert differing(check_config(changed, chosen, splits)).keys() == {key}
        del holder[last]
        left_out = check_config(changed, chosen, splits)
        assert disagreeing(left_out) == []
        assert sum(row.theirs == NOT_STATED for row in left_out) > 1


def test_a_value_stated_twice_agrees_with_neither_if_one_differs(tmp_path: Path) -> None:
    base = BASE.replace("'auxiliary'", "'pointrend': {'num_fcs': 4, 'feats_channels': 256}, 'auxiliary'")
    assert differing(compared(tmp_path, "voc_r50", base=base)) == {"SEGMENTOR_CFG.pointrend.num_fcs": (3, 4)}


OTHER = {
    "lr": "0.02", "momentum": "0.8", "weight_decay": "0.0001", "poly_power": "1.0", "warmup_iterations": "100",
    "warmup_ratio": "0.2", "batch_size": "8", "epochs": "61", "base_size": "[2048, 513]", "crop_size": "[513, 513]",
    "scale_range": "[0.5, 1.5]", "max_class_share": "0.5", "output_stride": "16", "fpn_channels": "128",
    "scale_channels": "256", "point_channels": "128", "pretrained": "false", "train_points": "1024", "width": "32",
    "oversample_ratio": "4", "importance_ratio": "0.5", "subdivision_steps": "3", "subdivision_points": "8192",
    "point_loss_weight": "2.0", "coarse_loss_weight": "1.0",
}  # fmt: skip
# The configs leave these to the code: the log's rates show the first.
NO_COUNTERPART = {"min_lr_ratio", "precision", "zero_init_last_norm"}


def test_every_key_of_the_recipe_is_compared(tmp_path: Path) -> None:
    assert OTHER.keys() | NO_COUNTERPART == Recipe.keys_of("recipe")
    for key, value in OTHER.items():
        assert differing(compared(tmp_path, "voc_r50", f"{key}={value}")), key


@pytest.mark.parametrize("odd", ["{1, 2}", "b'32'", "1j", "...", "{(1, 2): 3}", "1e999", "[[1], [2]]", "(('a', {}),)"])
def test_an_odd_value_differs_and_can_be_written_as_json(tmp_path: Path, odd: str) -> None:
    rows = compared(tmp_path, "voc_r50", text=VOC_R50.replace("'outstride': 32", f"'outstride': {odd}"))
    assert list(differing(rows)) == [STRIDE]
    assert json.dumps([asdict(row) for row in rows], allow_nan=False)


def test_a_base_without_a_part_is_no_traceback(tmp_path: Path) -> None:
    rows = check_config({"SEGMENTOR_CFG": 3, "DATASET_CFG": {"train": {"aug_opts": [1]}}}, setting("voc_r50"), "a/b")
    assert all(row.agrees is not True for row in rows)


def test_what_the_code_always_does_is_what_it_says_here() -> None:
    assert pytest.approx(MEAN.tolist(), abs=1e-5) == module.NORMALIZE["mean"]
    assert pytest.approx(STD.tolist(), abs=1e-5) == module.NORMALIZE["std"]
    assert module.POINT_LAYERS == PointHead.LAYERS
    assert Architecture(1, 50).ignore_index == module.IGNORE_INDEX
    picture, label = np.arange(6, dtype=np.uint8).reshape(1, 2, 3), np.array([[0, 1]], dtype=np.uint8)
    for value, flipped in ((module.FLIP_PROBABILITY, True), (np.nextafter(module.FLIP_PROBABILITY, 1), False)):
        _, found = random_flip(picture, label, Mock(random_sample=lambda value=value: value))
        assert bool(found[0, 0] == 1) == flipped
