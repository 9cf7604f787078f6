"""Cityscapes behind its login, through the official package ``cityscapesscripts``.

The package reads the account from a file under XDG_DATA_HOME and otherwise asks on the terminal, which would
hang a batch job. It gets a private, temporary file instead.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests

from pointrend.archives.download import PATIENCE, Interrupted, PartFile, Patience, SourceFailed, persist
from pointrend.archives.fetch import PUT_AT_HAND, FetchedFile, accept, exclusive, fetch_archive, find_locally, is_url
from pointrend.archives.progress import transfer_progress
from pointrend.archives.verification import Archive, WrongFile
from pointrend.errors import DownloadError
from pointrend.logs import hides_bars

OFFICIAL_SITE = "https://www.cityscapes-dataset.com"

_DOWNLOADER = "cityscapesscripts.download.downloader"
_POLL_S = 2.0

logger = logging.getLogger(__name__)


def fetch_cityscapes(
    archives: Sequence[Archive],
    folder: Path,
    at_hand: str | None = None,
    progress: bool | None = None,
    patience: Patience = PATIENCE,
) -> list[FetchedFile]:
    """Have the Cityscapes archives in ``folder``; the arguments are those of :func:`fetch_archive`.

    What is not at hand is downloaded from the official site with the account in the environment's
    CITYSCAPES_USERNAME and CITYSCAPES_PASSWORD. Raises as :func:`fetch_archive` does.
    """
    return [_fetch(archive, Path(folder), at_hand, progress, patience) for archive in archives]


def _fetch(
    archive: Archive, folder: Path, at_hand: str | None, progress: bool | None, patience: Patience
) -> FetchedFile:
    if archive.urls or is_url(at_hand):
        try:
            return fetch_archive(archive, folder, at_hand, progress, patience)
        except DownloadError as failure:
            logger.warning("%s", failure.what)
    account = os.environ.get("CITYSCAPES_USERNAME"), os.environ.get("CITYSCAPES_PASSWORD")
    with exclusive(folder, archive.name):
        found = find_locally(archive, folder, at_hand)
        if found is not None:
            return found
        if not (account[0] and account[1]):
            raise DownloadError(
                f"{archive.name} is not at hand, and the Cityscapes site gives it only to registered users",
                f"register at {OFFICIAL_SITE} and set CITYSCAPES_USERNAME and CITYSCAPES_PASSWORD, "
                f"or download it there with a browser, {PUT_AT_HAND}",
            )
        return _download_with_account(archive, folder, (account[0], account[1]), progress, patience)


def _download_with_account(
    archive: Archive, folder: Path, account: tuple[str, str], bar: bool | None, patience: Patience
) -> FetchedFile:
    # The package writes under the final name, so it gets a folder of its own until the file is verified.
    unverified = folder / f"{archive.name}.part.d"
    unverified.mkdir(exist_ok=True)
    part = PartFile(unverified / archive.name)
    try:
        downloader = _official_downloader()
        session = _login(downloader, account)
        persist(lambda: _download_package(downloader, session, archive, part, bar), part, patience)
        fetched = accept(archive, part, folder / archive.name, OFFICIAL_SITE)
    except (SourceFailed, WrongFile) as failure:
        reason = " ".join(str(failure).replace(account[1], "***").replace(account[0], "***").split())
        raise DownloadError(
            f"cannot download {archive.name} from {OFFICIAL_SITE}: {reason}",
            f"check the account there and fetch again, or download it with a browser, {PUT_AT_HAND}",
        ) from None
    unverified.rmdir()
    return fetched


def _official_downloader() -> Any:
    try:
        return importlib.import_module(_DOWNLOADER)
    except ImportError as problem:
        raise SourceFailed(f"the package cityscapesscripts is not installed ({problem})") from None


def _login(downloader: Any, account: tuple[str, str]) -> Any:
    """The package's session, logged in."""
    try:
        with _private_account_file(account), contextlib.redirect_stdout(sys.stderr):
            return downloader.login()
    except requests.RequestException as problem:
        raise SourceFailed(f"no login ({type(problem).__name__})") from None
    except Exception as problem:  # the package raises nothing more special
        raise SourceFailed(f"no login ({problem})") from None


def _download_package(downloader: Any, session: Any, archive: Archive, part: PartFile, bar: bool | None) -> None:
    """One attempt, which goes on from what an earlier one left."""
    try:
        with _reported(archive, part, bar):
            downloader.download_packages(
                session=session, package_names=[archive.name], destination_path=str(part.path.parent), resume=True
            )
    except requests.RequestException as problem:
        status = getattr(problem.response, "status_code", None)
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # nothing is left to be sent
        raise Interrupted(f"HTTP {status}" if status else f"no connection ({type(problem).__name__})") from None
    except OSError:
        raise
    except Exception as problem:
        if "MD5" in str(problem):
            part.discard()
        raise SourceFailed(str(problem)) from None


@contextlib.contextmanager
def _private_account_file(account: tuple[str, str]) -> Iterator[None]:
    """Let the package find the account in a file that no other user can read and that is gone afterwards."""
    before = os.environ.get("XDG_DATA_HOME")
    with tempfile.TemporaryDirectory(prefix="pointrend-") as home:
        place = Path(home) / "cityscapesscripts"
        place.mkdir(mode=0o700)
        handle = os.open(place / "credentials.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="utf-8") as stream:
            json.dump({"username": account[0], "password": account[1]}, stream)
        os.environ["XDG_DATA_HOME"] = home
        try:
            yield
        finally:
            if before is None:
                del os.environ["XDG_DATA_HOME"]
            else:
                os.environ["XDG_DATA_HOME"] = before


@contextlib.contextmanager
def _reported(archive: Archive, part: PartFile, bar: bool | None) -> Iterator[None]:
    """Show the package's own bar on a terminal, and our plain lines elsewhere: a bar fills a log with garbage."""
    if not hides_bars() if bar is None else bar:
        with contextlib.redirect_stdout(sys.stderr):
            yield
        return
    with (
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
        transfer_progress(archive.name, archive.bytes, part.size, bar=False) as advance,
    ):
        finished = threading.Event()

        def watch(seen: int) -> None:
            while not finished.wait(_POLL_S):
                size = part.size
                advance(size - seen)
                seen = size

        watcher = threading.Thread(target=watch, args=(part.size,), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            finished.set()
            watcher.join()
