"""One file over HTTP into a ``.part`` file: resumed if the server allows it, retried a limited number of times."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.client import responses
from pathlib import Path
from typing import Any

import requests
import urllib3
from tqdm import tqdm

from pointrend.archives.verification import OtherBytes
from pointrend.errors import MachineError, PointrendError
from pointrend.files import read_json, write_json
from pointrend.logs import hides_bars, redacted
from pointrend.settings.archives import Archive

# How long a server is given:
CONNECT_S = 20.0
SILENT_S = 60.0  # longest wait for the next bytes
FRUITLESS = 4  # attempts in a row that bring no new byte
ATTEMPTS = 60  # attempts in all, each of which may add to the part
PAUSE_S = 2.0  # pause before the next attempt; doubled after every fruitless one
# How often progress is logged where no bar is shown:
LEAST_PAUSE_S = 10.0  # shortest time between two plain lines of progress
LONGEST_PAUSE_S = 60.0  # one is due after this time, or as soon as a tenth of the whole has been added
_CHUNK = 1 << 17
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}  # statuses after which the same request may succeed a little later
_LOOPBACK = re.compile(r"https?://(127\.0\.0\.1|\[::1\]|localhost)(:|/|$)", re.IGNORECASE)

Origin = dict[str, Any]  # which file on which server a part belongs to, by _ORIGIN_KEYS
_ORIGIN_KEYS = {"url", "etag", "last_modified", "total"}

logger = logging.getLogger(__name__)


class SourceFailed(Exception):
    """This source does not give the file; the text gives the reason in a few words without credentials.

    ``do``: what the user can do about it, if anything but to try again later.
    """

    def __init__(self, reason: str, do: str = "fetch again later") -> None:
        super().__init__(reason)
        self.do = do


class Interrupted(Exception):
    """An attempt failed in a way that may pass; the text is as above."""


class PartFile:
    """``<name>.part`` and, beside it, ``<name>.part.json``, which records what file it is a part of."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._origin_path = path.with_name(f"{path.name}.json")

    @property
    def size(self) -> int:
        """Bytes that have been downloaded."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def origin(self) -> Origin | None:
        """What the part belongs to; None if that is not known or no part exists."""
        try:
            found = read_json(self._origin_path) if self.size else None
        except PointrendError:
            return None
        return found if isinstance(found, dict) and found.keys() == _ORIGIN_KEYS else None

    def begin(self, origin: Origin) -> None:
        """Discard the part and start on another file."""
        self.discard()
        write_json(self._origin_path, origin)

    def discard(self) -> None:
        """Remove the part."""
        self.path.unlink(missing_ok=True)
        self._origin_path.unlink(missing_ok=True)

    def complete(self, name: str) -> Path:
        """Give the part, now verified, its final name in the same folder, once its bytes are on the disk."""
        with open(self.path, "rb") as stream:
            os.fsync(stream.fileno())
        self._origin_path.unlink(missing_ok=True)
        return self.path.replace(self.path.with_name(name))


def download(url: str, archive: Archive, part: PartFile) -> None:
    """Complete ``part`` from ``url``; the caller verifies the content.

    Raises :class:`SourceFailed`; :class:`OtherBytes` if the size differs; :class:`MachineError` if the disk has
    no room; OSError if it cannot be written.
    """
    with requests.Session() as session:
        session.headers.update({"User-Agent": "pointrend", "Accept-Encoding": "identity"})
        # A proxy set in the environment cannot reach this machine's own loopback.
        session.trust_env = not _LOOPBACK.match(redacted(url))
        persist(lambda: _attempt(session, url, archive, part), part)


def persist(attempt: Callable[[], None], part: PartFile) -> None:
    """Repeat ``attempt``, which adds to ``part``, while it is interrupted, a limited number of times.

    Raises :class:`SourceFailed` with the reason of the last interruption.
    """
    reason, fruitless = "it was not tried", 0
    for _ in range(ATTEMPTS):
        size_before = part.size
        try:
            attempt()
            return
        except Interrupted as interruption:
            reason = str(interruption)
        fruitless = 0 if part.size > size_before else fruitless + 1
        if fruitless >= FRUITLESS:
            break
        time.sleep(min(PAUSE_S * 2**fruitless, SILENT_S))
    raise SourceFailed(reason)


@contextlib.contextmanager
def transfer_progress(name: str, total: int | None, done: int) -> Iterator[Callable[[int], None]]:
    """Report a transfer; yield a function to be called with every number of further bytes.

    ``total``: the whole size, if known; ``done``: bytes from earlier attempts.
    """
    shown_at, shown_done = time.monotonic(), done
    style: dict[str, Any] = {"unit": "B", "unit_scale": True, "unit_divisor": 1024}
    with tqdm(desc=name, total=total, initial=done, disable=hides_bars(), **style) as shown:

        def advance(count: int) -> None:
            nonlocal shown_at, shown_done, done
            shown.update(count)
            done += count
            waited = time.monotonic() - shown_at
            tenth = total is not None and (done - shown_done) * 10 >= total
            if shown.disable and (waited >= LONGEST_PAUSE_S or (tenth and waited >= LEAST_PAUSE_S)):
                share = f" of {total >> 20} MiB ({done * 100 // total} %)" if total else ""
                logger.info("%s: %d MiB%s", name, done >> 20, share)
                shown_at, shown_done = time.monotonic(), done

        yield advance


def _attempt(session: requests.Session, url: str, archive: Archive, part: PartFile) -> None:
    origin, headers = part.origin(), {}
    if origin and origin["url"] == redacted(url) and (validator := _validator(origin)):
        if part.size == archive.bytes:
            return
        headers = {"Range": f"bytes={part.size}-", "If-Range": validator}
    with _response(session, url, headers) as response:
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and headers:
            if response.headers.get("Content-Range", "").strip() == f"bytes */{part.size}":
                return  # the part is complete already
            part.discard()
            raise Interrupted("the server has a shorter file than before")
        _check_status(response)
        total = _begin_or_continue(response, redacted(url), part, origin)
        _check_size(archive, total)
        _check_room(part, total)
        with transfer_progress(archive.name, total, part.size) as advance, open(part.path, "ab") as stream:
            for chunk in _chunks(response):
                stream.write(chunk)
                advance(len(chunk))
                _check_size(archive, stream.tell() if stream.tell() > (archive.bytes or 0) else None)
    expected = archive.bytes if total is None else total
    if expected is not None and part.size < expected:
        raise Interrupted(f"the connection was cut at {part.size} of {expected} bytes")


def _validator(origin: Origin) -> str | None:
    """What If-Range can hold: a strong ETag, or else the time of change."""
    etag: str | None = origin["etag"]
    return etag if etag and not etag.startswith("W/") else origin["last_modified"]


def _response(session: requests.Session, url: str, headers: dict[str, str]) -> requests.Response:
    """The server's response, its body unread. The errors of requests contain the full URL, so none is passed on."""
    try:
        return session.get(url, headers=headers, stream=True, timeout=(CONNECT_S, SILENT_S))
    except requests.TooManyRedirects:
        raise SourceFailed("it redirects without end") from None
    except requests.Timeout:
        raise Interrupted("no response in time") from None
    except requests.exceptions.SSLError:
        raise Interrupted("no secure connection (certificate or TLS)") from None
    except requests.ConnectionError:
        raise Interrupted("no connection") from None
    except (requests.RequestException, ValueError) as problem:
        raise SourceFailed(f"the URL cannot be used ({type(problem).__name__})") from None


def _check_status(response: requests.Response) -> None:
    status = response.status_code
    if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        reason = f"HTTP {status} {responses.get(status, '')}".strip()
        raise Interrupted(reason) if status in _TRANSIENT else SourceFailed(reason)
    if response.headers.get("Content-Type", "").lower().startswith(("text/html", "application/xhtml")):
        raise SourceFailed("a web page came instead of the file")


def _begin_or_continue(response: requests.Response, url: str, part: PartFile, origin: Origin | None) -> int | None:
    """Make the part ready for the body and return the whole size, if the server reports it."""
    new = {"url": url, "etag": response.headers.get("ETag"), "last_modified": response.headers.get("Last-Modified")}
    if response.status_code == HTTPStatus.OK:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        part.begin({**new, "total": total})
        return total
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    total = int(found[2]) if found and found[2] != "*" else None
    if found is None or int(found[1]) != part.size or {**new, "total": total} != origin:
        part.discard()
        raise Interrupted("the server sent a different part than requested")
    return total


def _check_size(archive: Archive, total: int | None) -> None:
    if archive.bytes is not None and total is not None and total != archive.bytes:
        raise OtherBytes(f"it offers {total} bytes instead of {archive.bytes}")


def _check_room(part: PartFile, total: int | None) -> None:
    free = shutil.disk_usage(part.path.parent).free
    missing = (total or 0) - part.size
    if missing > free:
        raise MachineError(
            f"{part.path.parent} has {free >> 20} MiB left and {part.path.stem} needs {missing >> 20} MiB more",
            "free disk space and fetch again; what has been downloaded is kept",
        )


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """The body's bytes as they are sent: servers label .tgz files as gzip-encoded, and decoding would unpack them."""
    raw: Any = response.raw
    try:
        yield from raw.stream(_CHUNK, decode_content=False)
    except urllib3.exceptions.ReadTimeoutError:
        raise Interrupted(f"no data for {SILENT_S:g} s") from None
    except urllib3.exceptions.HTTPError:
        raise Interrupted("the connection was cut") from None
