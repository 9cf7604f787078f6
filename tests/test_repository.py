"""What is committed is up to date with what it was made from."""

from pathlib import Path

from pointrend.cli import main

ROOT = Path(__file__).parents[1]


def test_the_committed_pages_say_what_the_committed_results_say(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert main(["--scale", "paper", "report", "--check"]) == 0
