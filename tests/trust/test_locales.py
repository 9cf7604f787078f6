"""Terminals that cannot show every character, and outputs that are closed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.trust.conftest import MakeGround
from tests.trust.ground import ROOT

POOR = {
    "C without UTF-8": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "Latin-1": {"PYTHONIOENCODING": "latin-1"},
}


@pytest.mark.parametrize("place", POOR)
def test_what_a_terminal_cannot_show_is_written_otherwise(place: str, ground_of: MakeGround) -> None:
    ground = ground_of("done")
    for words, code, shown in (
        (("report", "--show"), 0, b"\\u2013"),
        (("predict", "voc_日本", "--weights", "n", "--images", "n", "--out", "x"), 2, b"there is no run 'voc_\\u"),
    ):
        ran = subprocess.run(
            [sys.executable, "-m", "pointrend", *words],
            cwd=ground.root,
            env={**os.environ, **POOR[place], "PYTHONPATH": str(ROOT)},
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == code, ran.stderr
        assert shown in ran.stdout + ran.stderr, (words, ran.stdout + ran.stderr)
        assert b"Traceback" not in ran.stderr


def test_no_file_is_read_in_the_encoding_of_the_place(ground_of: MakeGround) -> None:
    """Python says where one is."""
    ground = ground_of("done")
    command = [sys.executable, "-X", "warn_default_encoding", "-W", "error::EncodingWarning:pointrend"]
    ran = subprocess.run(
        [*command, "-m", "pointrend", "verify"],
        cwd=ground.root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
