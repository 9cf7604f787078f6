"""One thing that was looked at."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "missing"]


@dataclass(frozen=True)
class Finding:
    """What was looked at, what was found, and what to do where that is anything but well.

    ``missing`` is needed for the current scale; a ``note`` is worth knowing.
    """

    name: str
    state: State
    found: str
    do: str = ""


def ask(*command: str) -> str | None:
    """What a program prints; None if it is not there, fails or does not answer within 20 seconds."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)  # noqa: S603 our own words
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
