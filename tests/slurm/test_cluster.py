"""The test cluster itself, the whole workflow on it from a clean state, and `pointrend doctor`."""

from pointrend.engines.doctor.cluster import check_shared, check_slurm, slurm_version
from tests.slurm.checkouts import ClusterCheckout
from tests.slurm.conftest import hashes, longer
from tests.tiny import ROOT


def test_doctor_reports_this_cluster(cluster, monkeypatch):
    for key, value in cluster.env.items():
        monkeypatch.setenv(key, value)
    version = slurm_version()
    assert version is not None
    slurm, status, preemption = check_slurm(version)
    assert "gpu* (2 nodes, gpu:4, at most infinite)" in slurm.found
    assert (status.state, status.found.split(":")[0]) == ("ok", "squeue")
    assert preemption.found.startswith("20 sec")
    assert check_shared(ROOT, version).state == "ok"  # both nodes are this machine


def test_the_six_runs_come_out_as_they_do_locally(cluster, undisturbed, tmp_path_factory):
    checkout = ClusterCheckout.make(tmp_path_factory.mktemp("cluster") / "pointrend", cluster)
    longer(checkout)
    output = checkout.run(*checkout.command)
    assert hashes(checkout) == hashes(undisturbed)
    # Three preparations, and six jobs that train and score a run; the rest is local.
    assert output.count("has been submitted with SLURM jobid") == 9
    assert "Nothing to be done" in checkout.run(*checkout.command)
