"""Where results are sent: a tracking server (MLFLOW_TRACKING_URI), or a database in the project's own folder."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import textwrap
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pointrend.errors import PointrendError, TrackingError
from pointrend.logs import redacted
from pointrend.settings.project import DATABASE
from pointrend.tracking.address import REGISTRY, TRACKING, given_address, through_proxy, variable_at_fault
from pointrend.tracking.database import address, make_current

ARTIFACTS = "mlartifacts"
TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"

# Whatever these log is raised as well; on the screen it would be a traceback, or show a password.
logging.getLogger("mlflow").setLevel(logging.CRITICAL)
logging.getLogger("alembic").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Store:
    """An open store: MLflow's client, its ``name`` for people, and the artifacts' URI unless the server decides it."""

    client: MlflowClient
    name: str
    artifacts: str | None


@contextlib.contextmanager
def opened(root: Path, wait: float) -> Iterator[Store]:
    """The store of the checkout at ``root``, for this process alone while the block lasts.

    The lock, awaited for up to ``wait`` seconds, keeps two processes from creating the same database or run.

    Raises:
        TrackingError: another process keeps the lock, the server does not answer, or anything fails in the block.
    """
    uri, _ = given_address(TRACKING), given_address(REGISTRY)
    lock, database = root / "logs" / "track.lock", root / DATABASE
    lock.parent.mkdir(parents=True, exist_ok=True)
    do = f"free disk space or correct permissions, or move {database} away to begin a new one"
    try:
        with FileLock(lock, timeout=wait), _server(uri) if uri else _one_line("", str(database), do):
            if uri:
                yield Store(MlflowClient(uri), without_secrets(uri, uri), None)
            else:
                make_current(database)
                yield Store(MlflowClient(address(database)), DATABASE, (root.resolve() / ARTIFACTS).as_uri())
    except Timeout:
        what = f"another process has been sending to MLflow for {wait:g} seconds"
        raise TrackingError(what, "run the same command again") from None


def registry() -> AbstractContextManager[None]:
    """A block in which a failure is one of the model registry's server, if that is a separate one."""
    uri = given_address(REGISTRY)
    return _server(uri, REGISTRY) if uri else contextlib.nullcontext()


@contextlib.contextmanager
def patience(seconds: int = 300) -> Iterator[None]:
    """Let a request take longer while the block lasts: a server stores a large file before it answers."""
    usual = os.environ[TIMEOUT]
    if not usual.isdecimal():
        do = f"write a number of seconds, for example {TIMEOUT}=10, or unset it"
        raise TrackingError(f"{TIMEOUT}={usual} is not a number of seconds", do)
    os.environ[TIMEOUT] = str(max(seconds, int(usual)))
    try:
        yield
    finally:
        os.environ[TIMEOUT] = usual


def _server(uri: str, variable: str = TRACKING) -> AbstractContextManager[None]:
    """A block in which a failure is one of the server that ``variable`` names, or of the proxy on the way to it."""
    shown, do = without_secrets(uri, uri), "start the server, or correct its address"
    if variable != TRACKING:
        shown, do = f"{shown}, which {variable} names", f"start the server, or correct or unset {variable}"
    if proxy := through_proxy(uri):
        shown += f", through the proxy that {proxy} names"
        do += f", or correct or unset {proxy}, or name the server in NO_PROXY"
    return _one_line(uri, shown, do)


@contextlib.contextmanager
def _one_line(uri: str, shown: str, do: str) -> Iterator[None]:
    """Raise whatever MLflow or the network raise as one line without secrets."""
    try:
        yield
    except PointrendError:
        raise
    except Exception as error:
        reason = without_secrets(_reason(error), uri)
        if at_fault := variable_at_fault(reason):
            do = f"correct or unset {at_fault}"
        # Not "from error": its text, which goes to the log, has the whole address.
        what = f"cannot send to MLflow at {shown}: {reason}"
        raise TrackingError(what, f"the results are complete: {do}, and run the same command again") from None


def _reason(error: Exception) -> str:
    """The innermost message of a failed request, or the first line of anything else."""
    known = isinstance(error, MlflowException | OSError)
    text = " ".join((str(error) if known else repr(error)).split())
    if "nsupported URI" in text or "not supported by the store" in text:
        return "MLflow does not support addresses of this kind"
    refused = re.search(r"(\[Errno -?\d+\] [^\"')]*|timed out[^\"')]*)", text)
    return refused[1].strip() if refused else textwrap.shorten(text, 200, placeholder=" ...")


def without_secrets(text: str, uri: str) -> str:
    """``text`` without the user and the password that ``uri``, or any other address in it, may contain."""
    parts = urlsplit(uri)
    account = parts.username and parts.netloc.rpartition("@")[0]
    given = (os.environ.get(name) for name in ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"))
    return redacted(text, parts.password, account, *given)
