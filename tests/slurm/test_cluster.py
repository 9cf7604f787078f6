"""The test cluster takes everything with it that it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests import needs
from tests.slurm.cluster import Cluster

LOST = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
reading, writing = os.pipe()
if os.fork():
    os.read(reading, 1)
    os._exit(0)
os.setsid()
open(sys.argv[1], "w").write(str(os.getpid()))
os.write(writing, b"1")
time.sleep(600)
"""
"""A process that has lost its parent, in a session of its own: nothing leads from Slurm to it."""


def lost(env: dict[str, str], place: Path) -> int:
    """Process id of such a process."""
    subprocess.run([sys.executable, "-c", LOST, str(place)], env=env, timeout=60, check=True)
    return int(place.read_text())


def test_a_process_that_slurm_has_lost_ends_with_the_cluster(tmp_path: Path) -> None:
    needs.programs("slurmctld", "slurmd", "munged", package="slurm-wlm munge")
    private = Cluster()
    of_a_job = lost({**os.environ, **private.env}, tmp_path / "of a job")
    stranger = lost({**os.environ}, tmp_path / "stranger")
    try:
        assert private.processes() == [of_a_job]
        private.stop()
        assert private.processes() == []
        assert not private.folder.exists()
        os.kill(stranger, 0)
    finally:
        os.kill(stranger, signal.SIGKILL)
