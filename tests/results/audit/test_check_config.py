"""The recipe compared with configs, value by value."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from pointrend.model.heads import PointHead
from pointrend.model.inputs import MEAN, STD
from pointrend.results.audit import check_config as module
from pointrend.results.audit.check_config import NOT_STATED, Comparison, check_config
from pointrend.results.audit.configs import read_config
from pointrend.settings.recipe import Recipe
from pointrend.training.transforms import random_flip
from tests.results.audit.samples import BASE, CITYSCAPES_R101, VOC_R50, sets, setting, write_config

STRIDE = "SEGMENTOR_CFG.backbone.outstride"


def compared(folder: Path, run: str, text: str, *overrides: str, base: str = BASE) -> list[Comparison]:
    config = read_config(write_config(folder, text, base))
    return check_config(config, setting(run, *overrides), sets(run))


def differing(rows: list[Comparison]) -> dict[str, tuple[object, object]]:
    return {row.key: (row.ours, row.theirs) for row in rows if row.agrees is False}


@pytest.mark.parametrize(("run", "text"), [("voc_r50", VOC_R50), ("cityscapes_r101", CITYSCAPES_R101)])
def test_the_recipe_agrees_and_the_output_stride_comes_first(tmp_path: Path, run: str, text: str) -> None:
    rows = compared(tmp_path, run, text)
    assert differing(rows) == {}
    assert rows[0] == Comparison(STRIDE, 32, 32, True)
    assert [row.key for row in rows if row.agrees is None] == ["SCHEDULER_CFG.min_lr"]


def test_another_output_stride_is_seen_on_either_side(tmp_path: Path) -> None:
    theirs = compared(tmp_path, "voc_r50", VOC_R50.replace("'outstride': 32", "'outstride': 8"))
    assert differing(theirs) == {STRIDE: (32, 8)}
    ours = compared(tmp_path, "voc_r50", VOC_R50, "output_stride=8")
    assert differing(ours) == {STRIDE: (8, 32)}


OTHER = {
    "lr": "0.02", "momentum": "0.8", "weight_decay": "0.0001", "poly_power": "1.0", "warmup_iterations": "100",
    "warmup_ratio": "0.2", "batch_size": "8", "epochs": "61", "base_size": "[2048, 513]", "crop_size": "[513, 513]",
    "scale_range": "[0.5, 1.5]", "max_class_share": "0.5", "output_stride": "16", "fpn_channels": "128",
    "scale_channels": "256", "point_channels": "128", "pretrained": "false", "train_points": "1024",
    "oversample_ratio": "4", "importance_ratio": "0.5", "subdivision_steps": "3", "subdivision_points": "8192",
    "point_loss_weight": "2.0", "coarse_loss_weight": "1.0",
}  # fmt: skip
# The configs leave these to the code: the log's rates show the first, the released weights' shapes the width.
NO_COUNTERPART = {"min_lr_ratio", "precision", "width", "zero_init_last_norm"}


def test_every_key_of_the_recipe_is_compared(tmp_path: Path) -> None:
    assert OTHER.keys() | NO_COUNTERPART == Recipe.keys_of("recipe")
    for key, value in OTHER.items():
        assert differing(compared(tmp_path, "voc_r50", VOC_R50, f"{key}={value}")), key


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("'align_corners': False", "'align_corners': True"),
        ("'num_fcs': 3", "'num_fcs': 4"),
        ("'scale_factor': 2}", "'scale_factor': 4}"),
        ("'flip_prob': 0.5", "'flip_prob': 0.4"),
        ("'mode': 'nearest'", "'mode': 'bilinear'"),
        ("123.675", "123.676"),
        ("            ('PhotoMetricDistortion', {}),\n", ""),
        ("'set': 'val'", "'set': 'test'"),
        ("'power': 0.9", "'power': 0.9, 'min_lr': 0.001"),
        ("'type': 'poly'", "'type': 'step'"),
        ("'type': 'sgd'", "'type': 'adam'"),
        ("'momentum': 0.9, ", ""),
    ],
)
def test_a_changed_or_missing_value_of_theirs_is_named(tmp_path: Path, old: str, new: str) -> None:
    assert old in BASE
    found = differing(compared(tmp_path, "voc_r50", VOC_R50, base=BASE.replace(old, new, 1)))
    assert found
    assert not old.startswith("'momentum'") or found == {"OPTIMIZER_CFG.momentum": (0.9, NOT_STATED)}


@pytest.mark.parametrize("odd", ["{1, 2}", "b'32'", "1j", "...", "{(1, 2): 3}", "1e999", "[[1], [2]]", "(('a', {}),)"])
def test_an_odd_value_differs_and_can_be_written_as_json(tmp_path: Path, odd: str) -> None:
    rows = compared(tmp_path, "voc_r50", VOC_R50.replace("'outstride': 32", f"'outstride': {odd}"))
    assert list(differing(rows)) == [STRIDE]
    assert json.dumps([asdict(row) for row in rows], allow_nan=False)


def test_a_base_without_a_part_is_no_traceback(tmp_path: Path) -> None:
    rows = check_config({"SEGMENTOR_CFG": 3, "DATASET_CFG": {"train": {"aug_opts": [1]}}}, setting("voc_r50"), "a/b")
    assert all(row.agrees is not True for row in rows)


def test_what_the_code_always_does_is_what_it_says_here() -> None:
    assert pytest.approx(MEAN.tolist(), abs=1e-5) == module.MEAN
    assert pytest.approx(STD.tolist(), abs=1e-5) == module.STD
    assert module.POINT_LAYERS == PointHead.LAYERS
    picture, label = np.arange(6, dtype=np.uint8).reshape(1, 2, 3), np.array([[0, 1]], dtype=np.uint8)
    for value, flipped in ((module.FLIP_PROBABILITY, True), (np.nextafter(module.FLIP_PROBABILITY, 1), False)):
        _, found = random_flip(picture, label, Mock(random_sample=lambda value=value: value))
        assert bool(found[0, 0] == 1) == flipped
