"""One engine at a time in one checkout.

On a shared file system a second Snakemake may run on another machine. With Slurm a lease therefore replaces Snakemake's
own lock, which outlives a killed Snakemake; the lease does not.

DVC records which process reads and writes which paths (.dvc/tmp/rwlock) and ignores the records of dead processes.
Snakemake records itself there for the whole checkout, so DVC refuses before it removes an output, and Snakemake refuses
before its first job.
"""

from __future__ import annotations

import atexit
import contextlib
import re
from pathlib import Path

from pointrend.errors import MachineError
from pointrend.jobs.lease import lease


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
    held = contextlib.ExitStack()
    try:
        held.enter_context(rwlock(str(folder), localfs, command, read=[], write=[str(root)], hardlink=False))
    except LockError as error:
        blocker = re.search(r"\(PID (\d+)\): (.*)", str(error))
        holder = f"process {blocker[1]}: {blocker[2]}" if blocker else "a DVC process"
        raise MachineError(f"{root} is in use by {holder}", "wait for it to end, or stop it") from None
    atexit.register(held.close)


def hold_checkout(root: Path) -> None:
    """Hold the checkout at ``root`` against the other machines of a cluster until this process ends, however it ends.

    Raises:
        TrainingError: a living process, named in the message, holds it.
    """
    held = contextlib.ExitStack()
    held.enter_context(lease(root / ".snakemake" / "pointrend"))
    atexit.register(held.close)
