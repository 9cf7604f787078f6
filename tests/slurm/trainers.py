"""Trainers at work in a checkout: their leases and progress, and how to stop and continue them."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from pointrend.jobs.lease import Found, newest
from tests.slurm.cluster import until
from tests.workflow.checkout import Checkout


def checkpoints(checkout: Checkout, run: str) -> Path | None:
    """The folder with the resumable state of a run."""
    return next(iter((checkout.root / f"checkpoints/demo/{run}-s0").glob("*")), None)


def holder(checkout: Checkout, run: str) -> Found | None:
    """Who trains a run now."""
    folder = checkpoints(checkout, run)
    found = newest(folder / "lease") if folder else None
    return found if found and found.holder and not found.free else None


def iterations(checkout: Checkout, run: str) -> int:
    """Finished iterations of a run."""
    folder = checkpoints(checkout, run)
    path = folder / "metrics.jsonl" if folder else None
    return path.read_bytes().count(b"\n") if path and path.is_file() else 0


def attempts(checkout: Checkout, run: str) -> list[dict[str, Any]]:
    """The attempts at a run so far."""
    folder = checkpoints(checkout, run)
    path = folder / "attempts.json" if folder else None
    return json.loads(path.read_text())["attempts"] if path and path.is_file() else []


def freeze(checkout: Checkout, run: str, iteration: int, number: int = 1) -> Found:
    """Stop attempt ``number`` at a run in mid-epoch, from ``iteration`` on; the trainer's lease."""

    def there() -> bool:
        begun = len(attempts(checkout, run)) == number and holder(checkout, run) is not None
        return begun and iterations(checkout, run) >= iteration

    until(there, 180, f"{run} at iteration {iteration} of attempt {number}")
    found = holder(checkout, run)
    assert found is not None
    os.kill(found.holder["pid"], signal.SIGSTOP)
    return found


def thaw(found: Found) -> None:
    """Let a stopped trainer continue."""
    os.kill(found.holder["pid"], signal.SIGCONT)
