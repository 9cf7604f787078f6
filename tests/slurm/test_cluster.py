"""The test cluster itself, the whole workflow on it from a clean state, and `pointrend doctor`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pointrend.engines.doctor.cluster import check_shared, check_slurm, slurm_version
from tests import needs
from tests.slurm.checkouts import ClusterCheckout
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import hashes, longer
from tests.tiny import ROOT
from tests.workflow.checkout import Checkout

# A process that has lost its parent, in a session of its own: nothing leads from Slurm to it.
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


def test_a_process_that_slurm_has_lost_ends_with_the_cluster(tmp_path: Path) -> None:
    needs.programs("slurmctld", "slurmd", "munged", package="slurm-wlm munge")
    private, path = Cluster(), tmp_path / "process id"

    def lost(env: dict[str, str]) -> int:
        subprocess.run([sys.executable, "-c", LOST, str(path)], env=os.environ | env, timeout=60, check=True)
        return int(path.read_text())

    of_a_job, stranger = lost(private.env), lost({})
    try:
        assert private.processes() == [of_a_job]
        private.stop()
        assert private.processes() == []
        assert not private.folder.exists()
        os.kill(stranger, 0)
    finally:
        os.kill(stranger, signal.SIGKILL)


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
