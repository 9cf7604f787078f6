"""What is committed is up to date with what it was made from."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointrend.cli import main

ROOT = Path(__file__).parents[1]


def test_the_committed_pages_say_what_the_committed_results_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["--scale", "paper", "report", "--check"]) == 0
