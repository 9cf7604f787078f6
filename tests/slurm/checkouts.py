"""Checkouts that send their jobs to the test cluster; and trainers at work in one: how to stop and continue them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from pointrend.jobs.lease import Found, newest
from tests.slurm.cluster import Cluster, until
from tests.workflow.checkout import Checkout

# Values of workflow/profiles/slurm/config.yaml for a cluster that answers at once.
SITE = {
    "slurm-init-seconds-before-status-checks": 1,
    "seconds-between-status-checks": 1,
    "max-status-checks-per-second": 10,
    "latency-wait": 10,
    "preemptible-retries": 1,
}


class ClusterCheckout(Checkout):
    """A checkout whose commands find the test cluster."""

    cluster: Cluster
    command = ("snakemake", "--cores", "all", "--profile", "slurm", "--config", "scale=demo")

    @classmethod
    def make(cls, root: Path, cluster: Cluster) -> ClusterCheckout:
        """A tiny checkout with the profile, fitted to ``cluster``."""
        checkout = cls(root)
        checkout.cluster = cluster
        (root / "slurm").symlink_to("workflow/profiles/slurm")
        profile = root / "workflow/profiles/slurm/config.yaml"
        profile.write_text(yaml.safe_dump(yaml.safe_load(profile.read_text()) | SITE))
        return checkout

    def with_data_of(self, other: Checkout) -> ClusterCheckout:
        """The same with the archives and prepared data of another checkout, as Snakemake has made them."""
        (self.root / ".snakemake").mkdir()
        for name in ("data", ".snakemake/metadata"):
            subprocess.run(["cp", "-a", str(other.root / name), str(self.root / name)], check=True, timeout=60)
        return self

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a program of the virtual environment, with the cluster's clients on the PATH."""
        with mock.patch.dict(os.environ, self.cluster.env):
            process = super().start(*command)
        self.cluster.users.append(process)
        return process


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
    assert found
    os.kill(found.holder["pid"], signal.SIGSTOP)
    return found


def thaw(found: Found) -> None:
    """Let a stopped trainer continue."""
    os.kill(found.holder["pid"], signal.SIGCONT)
