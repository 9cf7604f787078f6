"""Checkouts that send their jobs to the test cluster."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from unittest import mock

import yaml

from tests.slurm.cluster import Cluster
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
