"""Programs that some tests need and pip cannot install: where one is missing they skip, or fail where none may."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

VALIDATORS = Path(sys.prefix) / "validators/bin"  # made by the Makefile from requirements-validators.lock
MAY_NOT_SKIP = "POINTREND_TESTS_MAY_NOT_SKIP"  # set by .ci/run, which installs everything


def programs(*names: str, package: str) -> None:
    """Skip the test, or fail it where nothing may be skipped, unless all ``names`` are on the PATH or in /usr/sbin."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    missing = [name for name in names if shutil.which(name, path=path) is None]
    if not missing:
        return
    _skip(f"{', '.join(missing)} not installed; on Debian: apt-get install {package}")


def validator(*words: str) -> str:
    """What a program of requirements-validators.in prints, or `python`; one that fails is a failed test."""
    if not VALIDATORS.is_dir():
        _skip("the validators are not installed: make .venv/validators/installed")
    # The environment may have been copied, so nothing is run by the path in its first line.
    python, program = VALIDATORS / "python", [] if words[0] == "python" else [str(VALIDATORS / words[0])]
    done = subprocess.run([python, *program, *words[1:]], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _skip(line: str) -> None:
    if os.environ.get(MAY_NOT_SKIP):
        pytest.fail(line, pytrace=False)
    pytest.skip(line)
