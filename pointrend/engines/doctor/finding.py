"""One finding of ``pointrend doctor``."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "missing"]


@dataclass(frozen=True)
class Finding:
    """What was checked, what was found, and what to do if that is a problem.

    ``missing``: the current scale needs it. ``note``: worth knowing.
    """

    name: str
    state: State
    found: str
    do: str = ""


def ask(*command: str, seconds: float = 20) -> str | None:
    """The output of a program; None if it does not exist, fails or does not answer in time."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True).stdout  # noqa: S603 no shell
    except (OSError, subprocess.SubprocessError):
        return None
