"""The test cluster itself, the whole workflow on it from a clean state, and `pointrend doctor`."""

from __future__ import annotations

import pytest

from pointrend.engines.doctor.cluster import check_shared, check_slurm, slurm_version
from tests.slurm.checkouts import ClusterCheckout
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import hashes, longer
from tests.tiny import ROOT
from tests.workflow.checkout import Checkout


def test_doctor_reports_this_cluster(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in cluster.env.items():
        monkeypatch.setenv(key, value)
    version = slurm_version()
    assert version is not None
    slurm, status, preemption = check_slurm(version)
    assert "gpu* (2 nodes, gpu:4, at most infinite)" in slurm.found
    assert (status.state, status.found.split(":")[0]) == ("ok", "squeue")
    assert preemption.found.startswith("20 sec")
    assert check_shared(ROOT, version).state == "ok"  # both nodes are this machine


def test_the_six_runs_come_out_as_they_do_locally(
    cluster: Cluster, undisturbed: Checkout, tmp_path_factory: pytest.TempPathFactory
) -> None:
    checkout = ClusterCheckout.make(tmp_path_factory.mktemp("cluster") / "pointrend", cluster)
    longer(checkout)
    output = checkout.run(*checkout.command)
    assert hashes(checkout) == hashes(undisturbed)
    # Three preparations, and six jobs that train and score a run; the rest is local.
    assert output.count("has been submitted with SLURM jobid") == 9
    assert "Nothing to be done" in checkout.run(*checkout.command)
