"""Typing the commands of a page's session into one shell, and holding the page against what they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.pages import Step, not_printed

SECONDS = 300
NOT_A_USERS = re.compile(r"(POINTREND|PYTEST|VIRTUAL|CITYSCAPES)_.*|MAKE.*|MFLAGS|CI|BUILD_NUMBER")
"""What the tests' own surroundings set, and what our verbs, make and pytest print other lines for."""


def replay(root: Path, steps: Sequence[Step]) -> list[str]:
    """What each step prints, errors included, when all are typed one after another in the checkout ``root``."""
    mark = uuid.uuid4().hex
    script = "".join(f"{step.command}\nstatus=$?; echo; echo {mark}; (exit $status)\n" for step in steps)
    env = {key: value for key, value in os.environ.items() if not NOT_A_USERS.fullmatch(key)}
    env |= {"PATH": f"{Path(sys.executable).parent}:{env['PATH']}", "PYTHONPATH": str(root)}
    env |= {"PYTHONUNBUFFERED": "1"}  # as on a terminal: every line when it is written
    typed = subprocess.run(
        ["bash", "-c", script],
        cwd=root,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
    # `echo` ends a last line that has no end of its own; it is the command's own where there is an empty line.
    return [output.removesuffix("\n") for output in typed.stdout.split(f"{mark}\n")[: len(steps)]]


def check(steps: Sequence[Step], outputs: Sequence[str], as_here: Mapping[str, Mapping[str, str]]) -> None:
    """Hold the quoted lines against the printed ones; ``as_here``: other whole numbers, by the command's beginning."""
    assert len(steps) >= 3
    for step, output in zip(steps, outputs, strict=True):
        numbers = next((numbers for words, numbers in as_here.items() if step.command.startswith(words)), {})
        missing = not_printed(step.printed, output, numbers)
        assert missing is None, f"$ {step.command}\nnot printed: {missing}\nbut:\n{output[-5000:]}"
