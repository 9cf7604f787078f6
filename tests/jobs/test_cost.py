"""FLOPs and memory of a training step, counted without computing it."""

from __future__ import annotations

import pytest

from pointrend.jobs.cost import step_cost
from pointrend.settings.params import load_params
from tests.tiny import ROOT

PAPER = load_params(ROOT / "params.yaml").at_scale("paper")


@pytest.mark.parametrize(("run", "gigaflop"), [("voc_r50", 274), ("ade20k_r101", 394), ("cityscapes_r101", 778)])
def test_the_published_runs(run: str, gigaflop: int) -> None:
    setting = PAPER.setting(run)
    cost = step_cost(setting)
    assert round(cost.flops / 1e9) == gigaflop
    assert cost.state_bytes / 12 == pytest.approx({50: 28.7e6, 101: 47.8e6}[setting.depth], rel=0.01)
    assert 0.5e9 < cost.image_bytes < 2e9


def test_bf16_keeps_less_and_computes_as_much() -> None:
    full, half = (step_cost(PAPER.setting("voc_r50", (f"precision={name}",))) for name in ("float32", "bf16"))
    assert half.flops == full.flops
    assert 0.4 < half.image_bytes / full.image_bytes < 0.8
