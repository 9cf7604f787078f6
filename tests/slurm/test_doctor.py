"""`pointrend doctor` asks a real Slurm."""

from __future__ import annotations

import pytest

from pointrend.engines.doctor.cluster import check_shared, check_slurm, slurm_version
from tests.slurm.cluster import Cluster
from tests.tiny import ROOT


def test_what_this_cluster_is(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in cluster.env.items():
        monkeypatch.setenv(key, value)
    version = slurm_version()
    assert version is not None
    slurm, status, preemption = check_slurm(version)
    assert "gpu* (2 nodes, gpu:4, at most infinite)" in slurm.found
    assert (status.state, status.found.split(":")[0]) == ("ok", "squeue")
    assert preemption.found.startswith("20 sec")
    # Both nodes are this machine, so any folder will do.
    assert check_shared(ROOT, version).state == "ok"
