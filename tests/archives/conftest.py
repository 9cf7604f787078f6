"""Fixtures of more than one test module."""

import pytest

from pointrend.archives import download
from tests.archives.fetching import ATTEMPTS, FRUITLESS, send_good
from tests.archives.servers import misbehaving


@pytest.fixture(autouse=True)
def _hasty(monkeypatch):
    for name, value in {"FRUITLESS": FRUITLESS, "ATTEMPTS": ATTEMPTS, "PAUSE_S": 0}.items():
        monkeypatch.setattr(download, name, value)


@pytest.fixture
def good_server():
    with misbehaving(send_good) as server:
        yield server
