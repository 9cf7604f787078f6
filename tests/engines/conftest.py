"""Checkouts in which an engine has run: one dataset, two runs, everything tiny."""

from pathlib import Path

import pytest

from tests.workflow.checkout import Checkout


def small_checkout(root: Path) -> Checkout:
    """A checkout under version control, with the runs voc_r50 and voc_r101."""
    checkout = Checkout.of_voc(root)
    checkout.commit()
    return checkout


@pytest.fixture(scope="session")
def by_snakemake(tmp_path_factory):
    """Snakemake has run; DVC knows nothing of it."""
    checkout = small_checkout(tmp_path_factory.mktemp("snakemake") / "pointrend")
    checkout.snakemake()
    return checkout


@pytest.fixture(scope="session")
def by_dvc(tmp_path_factory):
    """DVC has run; Snakemake knows nothing of it."""
    checkout = small_checkout(tmp_path_factory.mktemp("dvc") / "pointrend")
    checkout.run("dvc", "repro")
    return checkout


def told(by: Checkout, engine: str, folder: Path) -> Checkout:
    """A copy in which `pointrend bridge` has recorded the results in the other engine."""
    checkout = by.copy(folder / "pointrend")
    checkout.run("pointrend", "bridge", engine)
    return checkout


@pytest.fixture(scope="session")
def dvc_told(by_snakemake, tmp_path_factory):
    """Snakemake has run, and DVC knows."""
    return told(by_snakemake, "dvc", tmp_path_factory.mktemp("dvc_told"))


@pytest.fixture(scope="session")
def snakemake_told(by_dvc, tmp_path_factory):
    """DVC has run, and Snakemake knows."""
    return told(by_dvc, "snakemake", tmp_path_factory.mktemp("snakemake_told"))
