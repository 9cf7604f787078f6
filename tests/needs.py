"""Programs that some tests need and pip cannot install: where one is missing they skip, or fail where none may."""

import os
import shutil

import pytest

MAY_NOT_SKIP = "POINTREND_TESTS_MAY_NOT_SKIP"  # set by .ci/run, which installs everything


def programs(*names: str, package: str) -> None:
    """Skip the test, or fail it where nothing may be skipped, unless all ``names`` are on the PATH or in /usr/sbin."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    missing = [name for name in names if shutil.which(name, path=path) is None]
    if not missing:
        return
    line = f"{', '.join(missing)} not installed; on Debian: apt-get install {package}"
    if os.environ.get(MAY_NOT_SKIP):
        pytest.fail(line, pytrace=False)
    pytest.skip(line)
