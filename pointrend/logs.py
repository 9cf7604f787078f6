"""Messages: plain lines on the screen, everything with times and tracebacks in a job's log file."""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path
from typing import TextIO
from urllib.parse import unquote

from tqdm import tqdm

NO_BARS = "TQDM_DISABLE"  # tqdm's own variable
ROOT = logging.getLogger("pointrend")


class _Screen(logging.StreamHandler[TextIO]):
    """Prints above a progress bar, if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        with tqdm.external_write_mode(self.stream):
            super().emit(record)


class _LogFile(logging.FileHandler):
    """Gives up silently if the log cannot be written, for example on a full disk: the work itself reports that."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Print no traceback."""


def log_to_screen(quiet: bool = False) -> None:
    """Print messages on standard error; only warnings if ``quiet`` or if this is not the first of several processes."""
    handler = _Screen(sys.stderr)
    handler.setLevel(logging.WARNING if quiet or not first_process() else logging.INFO)
    handler.setFormatter(logging.Formatter("%(message)s"))
    ROOT.setLevel(logging.DEBUG)
    ROOT.handlers[:] = [handler]


def log_to_file(path: Path) -> None:
    """Append everything to ``path`` as well; only the first of several processes does.

    Jobs of Snakemake share one screen, so there the name of the file begins every line.
    """
    if calling_engine() == "snakemake":
        for screen in ROOT.handlers:
            screen.setFormatter(logging.Formatter(f"{path.stem}: %(message)s"))
    if not first_process():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = _LogFile(path, encoding="utf-8", errors="backslashreplace")
    handler.setLevel(logging.DEBUG)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    ROOT.addHandler(handler)


def duration(seconds: float) -> str:
    """A length of time for readers, to two digits or so."""
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def redacted(text: str, *secrets: str | None) -> str:
    """``text`` with ``***`` for every secret, and without user, password, query and fragment of every URL in it."""
    text = re.sub(r"(?<=://)[^/\s]*@", "", text)
    text = re.sub(r"(://[^\s?#]*)[?#]\S*", r"\1", text)
    known = {form for secret in secrets if secret for form in (secret, unquote(secret))}
    for secret in sorted(known, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def hides_bars() -> bool:
    """Whether progress is plain lines: without a terminal, with --quiet, and in Snakemake's jobs, which share one."""
    return calling_engine() == "snakemake" or bool(os.environ.get(NO_BARS)) or not sys.stderr.isatty()


def calling_engine() -> str | None:
    """``snakemake`` or ``dvc`` where one of them has started this process as a stage."""
    return os.environ.get("POINTREND_ENGINE") or ("dvc" if "DVC_STAGE" in os.environ else None)


def first_process() -> bool:
    """Whether this is the process of a training that writes files: the only one, or the first that torchrun started."""
    return os.environ.get("WORLD_SIZE", "") in ("", "1") or os.environ.get("RANK", "0") == "0"
