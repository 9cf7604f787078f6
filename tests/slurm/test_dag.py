"""The whole workflow on Slurm, from a clean state: the same weights and counts as without it."""

from __future__ import annotations

import pytest

from tests.slurm.checkouts import ClusterCheckout
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import hashes, longer
from tests.workflow.checkout import Checkout


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
