"""Terminals that cannot show every character, and outputs that are closed."""

import os
import subprocess
import sys

import pytest

from tests.trust.ground import ROOT, Ground

POOR = {
    "C without UTF-8": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "Latin-1": {"PYTHONIOENCODING": "latin-1"},
}


def run(ground: Ground, *words: str, env: dict[str, str], options: tuple[str, ...] = ()) -> tuple[int, bytes]:
    done = subprocess.run(
        [sys.executable, *options, "-m", "pointrend", *words],
        cwd=ground.root,
        env={**os.environ, **env, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("place", POOR)
def test_what_a_terminal_cannot_show_is_written_otherwise(place, ground_of):
    ground = ground_of("done")
    for words, code, shown in (
        (("report", "--show"), 0, b"\\u2013"),
        (("predict", "voc_日本", "--weights", "n", "--images", "n", "--out", "x"), 2, b"no run 'voc_\\u"),
    ):
        ended, printed = run(ground, *words, env=POOR[place])
        assert ended == code, printed
        assert shown in printed, words
        assert b"Traceback" not in printed


def test_no_file_is_read_in_the_encoding_of_the_place(ground_of):
    """Python warns where one is."""
    options = ("-X", "warn_default_encoding", "-W", "error::EncodingWarning:pointrend")
    code, printed = run(ground_of("done"), "verify", env={}, options=options)
    assert code == 0, printed
