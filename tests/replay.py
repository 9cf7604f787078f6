"""Typing the commands of a page's session into one shell."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from tests.pages import Step

SECONDS = 300


def replay(root: Path, steps: Sequence[Step]) -> list[str]:
    """What each step prints, errors included, when all are typed one after another in the checkout ``root``."""
    mark = uuid.uuid4().hex
    script = "".join(f"{step.command}\necho; echo {mark}\n" for step in steps)
    env = {key: value for key, value in os.environ.items() if not key.startswith(("POINTREND_", "PYTEST_", "VIRTUAL_"))}
    env |= {"PYTHONPATH": str(root), "PYTHONUNBUFFERED": "1"}  # as on a terminal: every line when it is written
    typed = subprocess.run(
        ["bash", "-s"],
        input=script,
        cwd=root,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
    # `echo` ends a last line that has no end of its own; it is the command's own where there is an empty line.
    return [output.removesuffix("\n") for output in typed.stdout.split(f"{mark}\n")[: len(steps)]]
