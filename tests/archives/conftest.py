"""Fixtures of more than one test module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.archives.fetching import send_good
from tests.archives.servers import Asked, misbehaving


@pytest.fixture
def good_server() -> Iterator[Asked]:
    with misbehaving(send_good) as server:
        yield server
