"""Where results are sent: a tracking server (MLFLOW_TRACKING_URI), or a database in the project's own folder."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pointrend.errors import PointrendError, TrackingError
from pointrend.project import DATABASE

ARTIFACTS = "mlartifacts"
OUT_OF_DATE = "out-of-date database schema"
"""How MLflow says that an earlier version of it made a database."""

# What it logs comes back as an exception as well, and would put a traceback, or a password, on the screen.
logging.getLogger("mlflow").setLevel(logging.CRITICAL)
logging.getLogger("alembic").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Store:
    """An open store: MLflow's client for it, its ``name`` for people, and where its artifacts go if we decide that."""

    client: MlflowClient
    name: str
    artifacts: str | None


@contextlib.contextmanager
def opened(root: Path, wait: float) -> Iterator[Store]:
    """The store of the checkout at ``root``, for this process alone while the block lasts.

    One at a time, so that two processes can neither make the database nor the same run at once. The lock is waited for
    ``wait`` seconds.

    Raises:
        TrackingError: another process keeps the lock, the server does not answer, or anything fails in the block.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    own = not uri
    uri = uri or f"sqlite:///{root.resolve() / DATABASE}"
    lock = root / "logs" / "track.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=wait), _as_one_line(uri):
            client = _up_to_date(uri) if own else MlflowClient(uri)
            artifacts = (root.resolve() / ARTIFACTS).as_uri() if own else None
            yield Store(client, DATABASE if own else without_secrets(uri, uri), artifacts)
    except Timeout:
        what = f"another process has been sending to MLflow for {wait:g} seconds"
        raise TrackingError(what, "run the same command again") from None


def _up_to_date(uri: str) -> MlflowClient:
    """A client of the project's own database, which is made, or brought to this MLflow's form, where that must be."""
    try:
        client = MlflowClient(uri)
        client.get_experiment("0")
    except Exception as error:
        if OUT_OF_DATE not in str(error):
            raise
        command = [sys.executable, "-m", "mlflow", "db", "upgrade", uri]
        subprocess.run(command, capture_output=True, check=True, timeout=300)  # noqa: S603 our own interpreter
        client = MlflowClient(uri)
    return client


@contextlib.contextmanager
def patience(seconds: int = 300) -> Iterator[None]:
    """Let a request take longer while the block lasts: a server stores a large file before it answers."""
    usual = os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(max(seconds, int(usual)))
    try:
        yield
    finally:
        os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = usual


@contextlib.contextmanager
def _as_one_line(uri: str) -> Iterator[None]:
    """Whatever MLflow, its database or the network raise, as one line without secrets."""
    try:
        yield
    except PointrendError:
        raise
    except Exception as error:
        reason = without_secrets(_reason(error), uri)
        what = f"cannot send to MLflow at {without_secrets(uri, uri)}: {reason}"
        do = "the results are complete: start the server, or correct its address, and run the same command again"
        # Not "from error": its text, which goes to the log, has the whole address.
        raise TrackingError(what, do) from None


def _reason(error: Exception) -> str:
    """The innermost words of a failed request, or the first line of anything else."""
    known = isinstance(error, MlflowException | OSError)
    text = " ".join((str(error) if known else repr(error)).split())
    refused = re.search(r"(\[Errno -?\d+\] [^\"')]*|timed out[^\"')]*)", text)
    return refused[1].strip() if refused else textwrap.shorten(text, 200, placeholder=" ...")


def without_secrets(text: str, uri: str) -> str:
    """``text`` without the user and the password that ``uri``, or any other address in it, may have."""
    parts = urlsplit(uri)
    secrets = {part for part in (parts.password, parts.username and parts.netloc.rpartition("@")[0]) if part}
    secrets |= {
        value for name in ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN") if (value := os.environ.get(name))
    }
    text = re.sub(r"(?<=://)[^/\s]*@", "", text)
    for secret in sorted(secrets | {unquote(secret) for secret in secrets}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
