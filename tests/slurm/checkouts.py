"""Checkouts that send their jobs to the test cluster."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import yaml

from tests.slurm.cluster import Cluster
from tests.workflow.checkout import Checkout

SITE = {
    "slurm-init-seconds-before-status-checks": 1,
    "seconds-between-status-checks": 1,
    "max-status-checks-per-second": 10,
    "latency-wait": 10,
    "preemptible-retries": 1,
}
"""Values of workflow/profiles/slurm/config.yaml for a cluster that answers at once."""


class ClusterCheckout(Checkout):
    """A checkout whose commands find the test cluster."""

    cluster: Cluster
    command = ("snakemake", "--cores", "all", "--profile", "slurm", "--config", "scale=demo")
    """What a user types for a trial."""

    @classmethod
    def make(cls, root: Path, cluster: Cluster) -> ClusterCheckout:
        """A tiny checkout with the profile, fitted to ``cluster``."""
        checkout = cls(root)
        checkout.cluster = cluster
        (root / "slurm").symlink_to("workflow/profiles/slurm")
        profile = root / "workflow/profiles/slurm/config.yaml"
        values = yaml.safe_load(profile.read_text())
        values |= SITE
        profile.write_text(yaml.safe_dump(values))
        return checkout

    def with_data_of(self, other: Checkout) -> ClusterCheckout:
        """The same with the archives and prepared data of another checkout, as Snakemake has made them."""
        (self.root / ".snakemake").mkdir()
        for name in ("data", ".snakemake/metadata"):
            subprocess.run(["cp", "-a", str(other.root / name), str(self.root / name)], check=True, timeout=60)
        return self

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a program of the virtual environment, with the cluster's clients on the PATH."""
        before = {key: os.environ.get(key) for key in self.cluster.env}
        os.environ |= self.cluster.env
        try:
            process = super().start(*command)
            self.cluster.users.append(process)
            return process
        finally:
            for key, value in before.items():
                if value is None:
                    del os.environ[key]
                else:
                    os.environ[key] = value
