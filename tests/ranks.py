"""Trainings of several processes that torchrun starts."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.tiny import ROOT


def run_two(script: Path, *arguments: Path, seconds: int = 240) -> None:
    """Run a script of Python as two processes on this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-addr=127.0.0.1"]
    command += [f"--master-port={port}", *map(str, (script, *arguments))]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=seconds, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]


def process_of(launcher: int, rank: int) -> int:
    """Process number of ``rank``, a child of the process ``launcher``."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    wanted = f"RANK={rank}".encode()
    found = [int(pid) for pid in children if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")]
    assert len(found) == 1, found
    return found[0]


def parent_of(process: int) -> int:
    """Process number of the parent."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def kill_beside(process: int, rank: int, number: int) -> None:
    """Send the signal ``number`` to ``rank`` of the training that ``process`` is part of."""
    os.kill(process_of(parent_of(process), rank), number)
