"""The Slurm job that this process is part of, if any."""

from __future__ import annotations

import logging
import os
import signal
import subprocess

log = logging.getLogger(__name__)


def requeue_after(request: signal.Signals | None) -> None:
    """Put this job back into the queue if SIGUSR1 has said that its time is nearly over.

    So a training goes on over as many jobs as it takes without using up an engine's retries. Where Slurm refuses, the
    exit code does the same with them.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or request != signal.SIGUSR1:
        return
    requeue = ["scontrol", "requeue", job]
    try:
        done = subprocess.run(requeue, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 no shell, a number
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("cannot put job %s back into the queue: %s", job, error)
        return
    if done.returncode:
        log.warning("cannot put job %s back into the queue: %s", job, " ".join(done.stderr.split()))
    else:
        log.info("job %s is back in the queue", job)
