"""The test cluster, and what a run that nothing disturbs leaves behind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import needs
from tests.slurm.checkouts import ClusterCheckout
from tests.slurm.cluster import Cluster
from tests.workflow.checkout import Checkout

EPOCHS = 20
ITERATIONS = 40
RUNS = ("voc_r50", "voc_r101", "ade20k_r50", "ade20k_r101", "cityscapes_r50", "cityscapes_r101")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A private Slurm with two nodes of four GPUs."""
    needs.programs("slurmctld", "slurmd", "munged", package="slurm-wlm munge")
    private = Cluster()
    try:
        private.start()
        yield private
    finally:
        private.stop()
        assert private.processes() == []


def longer(checkout: Checkout) -> None:
    """Make trainings long enough to be disturbed."""
    params = checkout.params()
    params["scales"]["demo"]["recipe"]["epochs"] = EPOCHS
    for dataset in params["scales"]["demo"]["datasets"].values():
        dataset["epochs"] = EPOCHS
    checkout.write_params(params)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which the workflow has run without Slurm."""
    checkout = Checkout(tmp_path_factory.mktemp("undisturbed") / "pointrend")
    longer(checkout)
    checkout.snakemake()
    return checkout


@pytest.fixture(scope="session")
def prepared(undisturbed: Checkout, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory):
    """Makes checkouts in which the data are prepared and nothing is trained."""

    def make(name: str) -> ClusterCheckout:
        checkout = ClusterCheckout.make(tmp_path_factory.mktemp(name) / "pointrend", cluster)
        longer(checkout)
        return checkout.with_data_of(undisturbed)

    return make


def hashes(checkout: Checkout, runs: tuple[str, ...] = RUNS) -> dict[str, str]:
    """sha256 of what the runs have come to: weights and counts."""
    files = [f"runs/demo/{run}-s0/{name}" for run in runs for name in ("model.safetensors", "confusion.parquet")]
    return {file: hashlib.sha256(Path(checkout.root / file).read_bytes()).hexdigest() for file in files}
