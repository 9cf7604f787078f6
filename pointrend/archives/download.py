"""One file over HTTP into a ``.part`` file: resumed where the server allows it, retried a bounded number of times."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3

from pointrend.archives.progress import transfer_progress
from pointrend.archives.verification import Archive
from pointrend.errors import MachineError, PointrendError
from pointrend.files import read_json, write_json

_CHUNK = 1 << 17
_MOST_REDIRECTS = 10
_PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Statuses after which the same request may succeed a little later."""


@dataclass(frozen=True)
class Patience:
    """How long a server is given. Times in seconds."""

    connect_s: float = 20.0
    silent_s: float = 60.0
    """Longest wait for the next bytes."""
    fruitless: int = 4
    """Attempts in a row that bring no new byte."""
    attempts: int = 60
    """Attempts in all, each of which may add to the part."""
    pause_s: float = 2.0
    """Pause before the next attempt; doubled after every fruitless one."""


PATIENCE = Patience()


class SourceFailed(Exception):
    """The file cannot be had from this place; the text says why, in a few words without credentials."""


class OtherSize(SourceFailed):
    """The place offers a file of another size than is wanted."""


class Interrupted(Exception):
    """An attempt failed in a way that may pass; the text says why, as above."""


@dataclass(frozen=True)
class _Origin:
    """Which file on which server a part belongs to."""

    url: str
    etag: str | None
    last_modified: str | None
    total: int | None

    @property
    def validator(self) -> str | None:
        """What If-Range can hold: a strong ETag or else the time of change."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.last_modified


class PartFile:
    """``<name>.part`` and, beside it, ``<name>.part.json``, which says what file it is a part of."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._origin_path = path.with_name(f"{path.name}.json")

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def origin(self) -> _Origin | None:
        """What the part belongs to; None where that is not known or nothing is there."""
        if not self.size:
            return None
        try:
            return _Origin(**read_json(self._origin_path))
        except (PointrendError, TypeError):
            return None

    def begin(self, origin: _Origin) -> None:
        """Forget what is there and start on another file."""
        self.discard()
        write_json(self._origin_path, asdict(origin))

    def discard(self) -> None:
        """Remove the part."""
        self.path.unlink(missing_ok=True)
        self._origin_path.unlink(missing_ok=True)

    def rename(self, target: Path) -> None:
        """Give the part, now whole and checked, its final name."""
        self.path.replace(target)
        self._origin_path.unlink(missing_ok=True)


def public_url(url: str) -> str:
    """The address without what may be secret: user, password, query, fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(an address that cannot be read)"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def download(url: str, archive: Archive, part: PartFile, bar: bool | None, patience: Patience) -> None:
    """Bring ``part`` to the whole file at ``url``. Whether it is the right one is for the caller to verify.

    Raises :class:`SourceFailed`; :class:`MachineError` where the disk has no room; OSError where it cannot be
    written.
    """
    with _session(url) as session:
        persist(lambda: _attempt(session, url, archive, part, bar, patience), part, patience)


def persist(attempt: Callable[[], None], part: PartFile, patience: Patience) -> None:
    """Repeat ``attempt``, which adds to ``part``, while it is interrupted and ``patience`` lasts.

    Raises :class:`SourceFailed` with the last interruption's reason.
    """
    reason, fruitless = "it was not tried", 0
    for _ in range(patience.attempts):
        size_before = part.size
        try:
            attempt()
            return
        except Interrupted as interruption:
            reason = str(interruption)
        fruitless = 0 if part.size > size_before else fruitless + 1
        if fruitless >= patience.fruitless:
            break
        time.sleep(min(patience.pause_s * 2**fruitless, patience.silent_s))
    raise SourceFailed(reason)


@contextlib.contextmanager
def _session(url: str) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.max_redirects = _MOST_REDIRECTS
        session.headers.update({"User-Agent": "pointrend", "Accept-Encoding": "identity"})
        # A proxy set in the environment cannot reach this machine's own loopback.
        session.trust_env = urlsplit(public_url(url)).hostname not in ("127.0.0.1", "::1", "localhost")
        yield session


def _attempt(
    session: requests.Session, url: str, archive: Archive, part: PartFile, bar: bool | None, patience: Patience
) -> None:
    origin = part.origin()
    headers = {}
    if origin and origin.url == public_url(url) and origin.validator:
        if part.size == archive.bytes:
            return
        headers = {"Range": f"bytes={part.size}-", "If-Range": origin.validator}
    with _answer(session, url, headers, patience) as response:
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and headers:
            _settle_unsatisfiable_range(response, part)
            return
        _check_status(response)
        total = _begin_or_continue(response, public_url(url), part, origin)
        _check_size(archive, total)
        _check_room(part, total)
        with transfer_progress(archive.name, total, part.size, bar) as advance, open(part.path, "ab") as stream:
            for chunk in _chunks(response, patience):
                stream.write(chunk)
                advance(len(chunk))
                _check_size(archive, stream.tell() if stream.tell() > (archive.bytes or 0) else None)
    expected = archive.bytes if total is None else total
    if expected is not None and part.size < expected:
        raise Interrupted(f"the connection was cut at {part.size} of {expected} bytes")


def _answer(session: requests.Session, url: str, headers: dict[str, str], patience: Patience) -> requests.Response:
    """The server's answer, its body unread. The texts of requests' errors hold the full URL, so none is passed on."""
    try:
        timeout = (patience.connect_s, patience.silent_s)
        return session.get(url, headers=headers, stream=True, timeout=timeout)
    except requests.TooManyRedirects:
        raise SourceFailed("it redirects without end") from None
    except requests.Timeout:
        raise Interrupted("no answer in time") from None
    except requests.exceptions.SSLError:
        raise Interrupted("no secure connection (certificate or TLS)") from None
    except requests.ConnectionError:
        raise Interrupted("no connection") from None
    except (requests.RequestException, ValueError) as problem:
        raise SourceFailed(f"the address cannot be used ({type(problem).__name__})") from None


def _settle_unsatisfiable_range(response: requests.Response, part: PartFile) -> None:
    """The part may be whole already; if not, it is of no use."""
    if response.headers.get("Content-Range", "").strip() == f"bytes */{part.size}":
        return
    part.discard()
    raise Interrupted("the server has a shorter file than before")


def _check_status(response: requests.Response) -> None:
    status = response.status_code
    if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        known = status in HTTPStatus.__members__.values()
        reason = f"HTTP {status} {HTTPStatus(status).phrase if known else ''}".strip()
        raise Interrupted(reason) if status in _PASSING else SourceFailed(reason)
    if response.headers.get("Content-Type", "").lower().startswith(("text/html", "application/xhtml")):
        raise SourceFailed("a web page came instead of the file")


def _begin_or_continue(response: requests.Response, url: str, part: PartFile, origin: _Origin | None) -> int | None:
    """Make the part ready for the body and return the whole size, if the server tells it."""
    etag, changed = response.headers.get("ETag"), response.headers.get("Last-Modified")
    if response.status_code == HTTPStatus.OK:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        part.begin(_Origin(url, etag, changed, total))
        return total
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    total = int(found[2]) if found and found[2] != "*" else None
    continues = found is not None and int(found[1]) == part.size
    if origin is None or not continues or (etag, changed, total) != (origin.etag, origin.last_modified, origin.total):
        part.discard()
        raise Interrupted("the server answered with another part than asked for")
    return total


def _check_size(archive: Archive, total: int | None) -> None:
    if archive.bytes is not None and total is not None and total != archive.bytes:
        raise OtherSize(f"it offers {total} bytes instead of {archive.bytes}")


def _check_room(part: PartFile, total: int | None) -> None:
    free = shutil.disk_usage(part.path.parent).free
    missing = (total or 0) - part.size
    if missing > free:
        raise MachineError(
            f"{part.path.parent} has {free >> 20} MiB left and {part.path.stem} needs {missing >> 20} MiB more",
            "free disk space and fetch again; what has been downloaded is kept",
        )


def _chunks(response: requests.Response, patience: Patience) -> Iterator[bytes]:
    """The body's bytes as they are sent: servers label .tgz files as gzip-encoded, and decoding would unpack them."""
    raw: Any = response.raw
    try:
        yield from raw.stream(_CHUNK, decode_content=False)
    except urllib3.exceptions.ReadTimeoutError:
        raise Interrupted(f"no data for {patience.silent_s:g} s") from None
    except urllib3.exceptions.HTTPError:
        raise Interrupted("the connection was cut") from None
