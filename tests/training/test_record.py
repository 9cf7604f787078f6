from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from pointrend.errors import TrainingError
from pointrend.model.norm import JoinedBatchNorm
from pointrend.model.precision import allow_tf32
from pointrend.training.record import ATTEMPTS, batch_norm_kind, note_attempt, precision_record, read_attempts


def test_attempts_are_kept_in_order(tmp_path: Path) -> None:
    note_attempt(tmp_path, {"iteration": 0})
    note_attempt(tmp_path, {"iteration": 50})
    assert read_attempts(tmp_path) == [{"iteration": 0}, {"iteration": 50}]


def test_a_damaged_record_of_attempts_is_named(tmp_path: Path) -> None:
    (tmp_path / ATTEMPTS).write_text("[{")
    with pytest.raises(TrainingError, match=ATTEMPTS):
        note_attempt(tmp_path, {"iteration": 0})


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
