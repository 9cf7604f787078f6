"""How pytest-xdist distributes the tests; conftest.py registers this only where xdist is active."""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# Folders whose tests share long-lived fixtures and run in one process; elsewhere those of one file do.
SHARED = ("slurm", "engines", "tracking", "trust", "results/crate")


class BySharedFixtures(LoadScopeScheduling):
    """Tests that share fixtures run in one process, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return next((folder for folder in SHARED if file.startswith(f"tests/{folder}/")), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> BySharedFixtures:
    return BySharedFixtures(config, log)
