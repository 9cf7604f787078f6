"""What the benchmark of the step records: facts that ``plan`` reads, and shares of a profile."""

from __future__ import annotations

import pytest
import torch

from pointrend.bench.run_steps import batch, setting_of
from pointrend.bench.step_profile import SMALLEST, profiled, shares_of


def test_shares_add_up_and_small_ones_are_told_together() -> None:
    shares = shares_of({"small": 0.01, "additions": 0.3, "convolutions": 0.68, "tiny": 0.01})
    assert list(shares) == ["convolutions", "additions", "everything else, each less than 2 %"]
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares.values()) == pytest.approx([0.68, 0.3, 0.02])


def test_a_profile_names_what_takes_long() -> None:
    maps, weight = torch.randn(1, 32, 64, 64), torch.randn(32, 32, 3, 3)
    found = profiled("it", lambda: torch.nn.functional.conv2d(maps, weight).relu_(), torch.device("cpu"))
    assert next(iter(found.values)) == "convolutions, forward"
    assert found.values["convolutions, forward"] > SMALLEST


def test_the_measured_batch_is_that_of_the_recipe() -> None:
    found = batch(setting_of("cityscapes_r50"), 2)
    assert found.pictures.shape == (2, 512, 1024, 3)
    assert found.labels.shape == (2, 512, 1024)
    assert int(found.labels.max()) == 18
