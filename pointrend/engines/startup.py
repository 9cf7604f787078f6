"""What Snakemake does before its first job: it holds the checkout, and starts live tracking.

One engine at a time works in one checkout. On a shared file system a second Snakemake may run on another machine. With
Slurm a lease therefore replaces Snakemake's own lock, which outlives a killed Snakemake; the lease does not.

DVC records which process reads and writes which paths (.dvc/tmp/rwlock) and ignores the records of dead processes.
Snakemake records itself there for the whole checkout, so DVC refuses before it removes an output, and Snakemake refuses
before its first job.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL, Popen

from pointrend.errors import MachineError
from pointrend.jobs.lease import lease
from pointrend.settings.project import Project

log = logging.getLogger(__name__)


def hold_workspace(root: Path, command: str) -> None:
    """Hold the checkout at ``root`` in the name of ``command`` until this process ends, however it ends.

    Raises:
        MachineError: a living DVC process, named in the message, uses it.
    """
    from dvc.fs import localfs
    from dvc.lock import LockError
    from dvc.rwlock import rwlock

    folder = root / ".dvc" / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _hold(rwlock(str(folder), localfs, command, read=[], write=[str(root)], hardlink=False))
    except LockError as error:
        blocker = re.search(r"\(PID (\d+)\): (.*)", str(error))
        holder = f"process {blocker[1]}: {blocker[2]}" if blocker else "a DVC process"
        raise MachineError(f"{root} is in use by {holder}", "wait for it to end, or stop it") from None


def hold_checkout(root: Path) -> None:
    """Hold the checkout at ``root`` against the other machines of a cluster until this process ends, however it ends.

    Raises:
        TrainingError: a living process, named in the message, holds it.
    """
    _hold(lease(root / ".snakemake" / "pointrend"))


def _hold(lock: contextlib.AbstractContextManager[object]) -> None:
    held = contextlib.ExitStack()
    held.enter_context(lock)
    atexit.register(held.close)


def start_following(project: Project, options: Sequence[str]) -> None:
    """Start ``pointrend OPTIONS track follow``, which sends curves for as long as this process lives.

    Only where MLFLOW_TRACKING_URI names a server: the project's own database is written once, at the end. It is a
    separate process, whose failure affects nothing else.
    """
    server = os.environ.get("MLFLOW_TRACKING_URI", "").strip().startswith(("http://", "https://"))
    if not (server and project.params.operation.tracking):
        return
    follow = ["--quiet", "track", "follow", "--while-pid", str(os.getpid())]
    command = [sys.executable, "-m", "pointrend", *options, *follow]
    path = project.log_file("track-follow")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab") as output:
            Popen(command, cwd=project.root, stdin=DEVNULL, stdout=output, stderr=output, start_new_session=True)  # noqa: S603 no shell
    except OSError as error:
        log.warning("no live tracking: %s", error)
