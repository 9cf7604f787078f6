"""What the tests of fetching share: files to be had, and what must come out."""

from __future__ import annotations

import hashlib
import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pointrend.archives.download import Patience
from pointrend.archives.fetch import Archive, FetchedFile, fetch_archive
from pointrend.errors import DownloadError
from tests.archives.servers import Request, misbehaving

NAME = "data.zip"
QUICK = Patience(connect_s=5, silent_s=5, fruitless=2, attempts=12, pause_s=0)
PAGE = b"\n <!DOCTYPE html><html><body>Please log in.</body></html>"


def zip_of(seed: int, size: int = 400_000) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("noise"), random.Random(seed).randbytes(size))
    return stream.getvalue()


GOOD, OTHER = zip_of(0), zip_of(1)


def pinned(*urls: str, body: bytes = GOOD, name: str = NAME) -> Archive:
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return Archive(name, urls, len(body), md5, hashlib.sha256(body).hexdigest())


def fetch(archive: Archive, folder: Path, at_hand: str | None = None, patience: Patience = QUICK) -> FetchedFile:
    return fetch_archive(archive, folder, at_hand, progress=False, patience=patience)


def send_good(request: Request) -> None:
    request.answer(200, GOOD)


def assert_fetched(fetched: FetchedFile, folder: Path, source: str | None = None, body: bytes = GOOD) -> None:
    assert fetched.path == folder / NAME
    assert fetched.path.read_bytes() == body
    assert (fetched.bytes, fetched.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert source is None or fetched.source == source
    assert not [path for path in folder.iterdir() if ".part" in path.name]


def assert_nothing_named(folder: Path) -> None:
    assert not (folder / NAME).exists()


def refusal(folder: Path, behave: Callable[[Request], None], archive: Archive | None = None) -> str:
    """The one line that a fetch from a single misbehaving server ends in."""
    with misbehaving(behave) as server:
        known = archive or pinned()
        url = f"{server.url}/{known.name}"
        with pytest.raises(DownloadError) as caught:
            fetch(Archive(known.name, (url,), known.bytes, known.md5, known.sha256, known.sha256_prefix), folder)
    text = str(caught.value)
    assert_nothing_named(folder)
    assert "\n" not in text
    assert known.name in text
    assert "POINTREND_ARCHIVES" in text
    return text
