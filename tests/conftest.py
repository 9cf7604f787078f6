"""What every test starts from."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from typing import Any

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: several tests run beside each other

import pytest
from xdist.scheduler import LoadScopeScheduling

from pointrend.logs import ROOT

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


class ByWhatTheyShare(LoadScopeScheduling):
    """Tests that share fixtures go to one process, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        folder = file.split("/")[1]
        return folder if folder in SHARED else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByWhatTheyShare:
    """How tests are distributed by --numprocesses."""
    return ByWhatTheyShare(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests on Slurm, which mostly wait, begin first."""
    items.sort(key=lambda item: "slurm" not in item.path.parts)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test printed goes from process to process as UTF-8, also where it is a file name that is none."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report
