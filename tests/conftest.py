"""What every test starts from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pointrend.logs import ROOT


@pytest.fixture(autouse=True)
def _own_log_handlers() -> Iterator[None]:
    """A verb run inside a test sends its messages to that test's screen and log file, and not to the next test's."""
    handlers, level = list(ROOT.handlers), ROOT.level
    yield
    for handler in set(ROOT.handlers) - set(handlers):
        handler.close()
    ROOT.handlers[:] = handlers
    ROOT.setLevel(level)
