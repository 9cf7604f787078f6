"""Cityscapes behind its login, through the official package ``cityscapesscripts``.

The package reads the account from a file under XDG_DATA_HOME and otherwise asks on the terminal, where a batch job
would wait forever. It gets a private, temporary file instead.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import requests

from pointrend.archives.download import Interrupted, PartFile, SourceFailed, persist, transfer_progress
from pointrend.archives.fetch import Site
from pointrend.logs import redacted
from pointrend.settings.archives import Archive

VARIABLES = ("CITYSCAPES_USERNAME", "CITYSCAPES_PASSWORD")


def _download(url: str, archive: Archive, part: PartFile) -> None:
    """Complete ``part`` from the official site with the account in the environment; raises :class:`SourceFailed`."""
    username, password = (os.environ.get(name) for name in VARIABLES)
    if not (username and password):
        do = f"register there, set {' and '.join(VARIABLES)} and fetch again"
        raise SourceFailed("it gives its files only to registered users", do)
    # The package writes under the final name, so it gets a folder of its own.
    own = PartFile(part.path.with_name(f"{part.path.name}.d") / archive.name)
    own.path.parent.mkdir(exist_ok=True)
    try:
        downloader, session = _login({"username": username, "password": password})
        persist(lambda: _download_package(downloader, session, archive, own), own)
    except SourceFailed as failure:
        reason = " ".join(redacted(str(failure), username, password).split())
        raise SourceFailed(reason, "check the account there and fetch again") from None
    own.path.replace(part.path)
    own.path.parent.rmdir()


CITYSCAPES = Site("https://www.cityscapes-dataset.com", _download)


def _login(account: dict[str, str]) -> tuple[Any, Any]:
    """The package's module and its session, logged in."""
    try:
        downloader = importlib.import_module("cityscapesscripts.download.downloader")
        with _private_account_file(account), contextlib.redirect_stdout(sys.stderr):
            return downloader, downloader.login()
    except ImportError as problem:
        raise SourceFailed(f"the package cityscapesscripts is not installed ({problem})") from None
    except requests.RequestException as problem:
        raise SourceFailed(f"no login ({type(problem).__name__})") from None
    except Exception as problem:  # the package raises nothing more special
        raise SourceFailed(f"no login ({problem})") from None


def _download_package(downloader: Any, session: Any, archive: Archive, part: PartFile) -> None:
    """One attempt, which continues what an earlier one left."""
    try:
        with _reported(downloader, archive, part):
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
def _private_account_file(account: dict[str, str]) -> Iterator[None]:
    """Let the package find the account in a file that no other user can read and that is removed afterwards."""
    before = {name: os.environ[name] for name in os.environ if name == "XDG_DATA_HOME"}
    with tempfile.TemporaryDirectory(prefix="pointrend-") as home:
        folder = Path(home) / "cityscapesscripts"
        folder.mkdir(mode=0o700)
        file = folder / "credentials.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(account))
        os.environ["XDG_DATA_HOME"] = home
        try:
            yield
        finally:
            del os.environ["XDG_DATA_HOME"]
            os.environ.update(before)


@contextlib.contextmanager
def _reported(downloader: Any, archive: Archive, part: PartFile) -> Iterator[None]:
    """Report the package's progress in our way: its own bar would fill a log with garbage."""
    own = downloader.tqdm
    with (
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        transfer_progress(archive.name, archive.bytes, part.size) as advance,
    ):
        downloader.tqdm = lambda **_: contextlib.nullcontext(SimpleNamespace(update=advance))
        try:
            yield
        finally:
            downloader.tqdm = own
