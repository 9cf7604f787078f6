"""What every test starts from."""

from __future__ import annotations

import os
from collections.abc import Iterator

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: several tests run beside each other

import pytest

from pointrend.logs import ROOT
from tests.tiny import ROOT as CHECKOUT

SHARED = ("slurm", "engines", "tracking", "trust")
"""Folders whose tests share what took long to make: they stay in one process, as do those of one file elsewhere."""


@pytest.fixture(autouse=True)
def _own_log_handlers() -> Iterator[None]:
    """A verb run inside a test sends its messages to that test's screen and log file, and not to the next test's."""
    handlers, level = list(ROOT.handlers), ROOT.level
    yield
    for handler in set(ROOT.handlers) - set(handlers):
        handler.close()
    ROOT.handlers[:] = handlers
    ROOT.setLevel(level)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share fixtures go to one process, and those that wait most begin first."""
    for item in items:
        file = item.path.relative_to(CHECKOUT / "tests")
        item.add_marker(pytest.mark.xdist_group(file.parts[0] if file.parts[0] in SHARED else str(file)))
    items.sort(key=lambda item: "slurm" not in item.path.parts)
