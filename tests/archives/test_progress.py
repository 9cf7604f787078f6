"""How a long transfer shows."""

from __future__ import annotations

import logging

import pytest

from pointrend.archives import progress
from tests.archives.fetching import NAME


def test_progress_is_plain_lines_off_a_terminal(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with progress.transfer_progress(NAME, 100 << 20, 20 << 20, bar=False) as advance:
        for moment, mebibytes in ((9.0, 20), (11.0, 1), (12.0, 1), (22.0, 5), (30.0, 1), (71.5, 0)):
            now[0] = moment
            advance(mebibytes << 20)
    assert [record.getMessage() for record in caplog.records] == [
        "data.zip: 41 MiB of 100 MiB (41 %)",
        "data.zip: 48 MiB of 100 MiB (48 %)",
    ]


def test_progress_is_a_bar_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.transfer_progress(NAME, 1000, 0, bar=True) as advance:
        advance(1000)
    assert "data.zip: 100%" in capsys.readouterr().err
