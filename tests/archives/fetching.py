"""What the tests of fetching share: files to be had, and what must come out."""

import hashlib
import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pointrend.archives.fetch import FetchedFile, fetch_archive
from pointrend.errors import DownloadError
from pointrend.settings.archives import Archive
from tests.archives.servers import Request, misbehaving

NAME = "data.zip"
FRUITLESS, ATTEMPTS = 2, 12  # of the tests' downloads; see conftest.py
PAGE = b"\n <!DOCTYPE html><html><body>Please log in.</body></html>"
UNKNOWN = Archive(name=NAME)


def zip_of(seed: int, size: int = 400_000) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("noise"), random.Random(seed).randbytes(size))
    return stream.getvalue()


GOOD, OTHER = zip_of(0), zip_of(1)
FLIPPED = GOOD[:-1] + bytes([GOOD[-1] ^ 1])


def known(body: bytes = GOOD, name: str = NAME) -> Archive:
    """The archive that is ``body``, by its size and both checksums."""
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return Archive(name=name, bytes=len(body), md5=md5, sha256=hashlib.sha256(body).hexdigest())


KNOWN = known()
UNSIZED = Archive(name=NAME, sha256=KNOWN.sha256)


def fetch(folder: Path, *urls: str, archive: Archive = KNOWN, **more: Any) -> FetchedFile:
    return fetch_archive(archive, urls, folder, **more)


def send_good(request: Request) -> None:
    request.answer(200, GOOD)


def assert_fetched(fetched: FetchedFile, folder: Path, source: str | None = None, body: bytes = GOOD) -> None:
    assert fetched.path == folder / NAME
    assert fetched.path.read_bytes() == body
    assert (fetched.bytes, fetched.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert source is None or fetched.source == source
    assert not [path for path in folder.iterdir() if ".part" in path.name]


def refusal(folder: Path, behave: Callable[[Request], None], archive: Archive = KNOWN, asked: int | None = None) -> str:
    """The one line that a fetch from a single misbehaving server, which is ``asked`` so often, ends in."""
    with misbehaving(behave) as server, pytest.raises(DownloadError) as caught:
        fetch(folder, f"{server.url}/{archive.name}", archive=archive)
    assert asked in (None, len(server.requests))
    text = str(caught.value)
    assert not (folder / archive.name).exists()
    assert "\n" not in text
    assert archive.name in text
    assert "POINTREND_ARCHIVES" in text
    return text
