from __future__ import annotations

import pytest
import torch
from torch import nn

from pointrend.checkout.machine import precision_record
from pointrend.jobs.record import batch_norm_kind
from pointrend.model.norm import JoinedBatchNorm
from pointrend.model.precision import allow_tf32


@pytest.mark.parametrize(
    ("norm", "kind"),
    [
        (nn.BatchNorm2d(2), "BatchNorm"),
        (nn.SyncBatchNorm(2), "SyncBatchNorm"),
        (JoinedBatchNorm(nn.BatchNorm2d(2), None), "JoinedBatchNorm"),
    ],
)
def test_the_kind_of_norm_is_told_from_the_network(norm: nn.Module, kind: str) -> None:
    assert batch_norm_kind(nn.Sequential(nn.Conv2d(1, 2, 1), norm)) == kind


def test_tf32_is_recorded_as_it_is_and_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    assert precision_record("tf32")["tf32"] is True
    allow_tf32(False)
    assert precision_record("float32") == {
        "arithmetic": "float32",
        "dtype": "float32",
        "tf32": False,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "deterministic": False,
    }
