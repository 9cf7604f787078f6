"""The crate of the results in MLflow: an artifact of one run per experiment, which has its sha256 as a tag."""

from __future__ import annotations

from pathlib import Path

from pointrend.files import sha256_file
from pointrend.tracking.runs import Experiment
from pointrend.tracking.store import Store

SHA256 = "pointrend.crate_sha256"


def send_crate(store: Store, scale: str, crate: Path, time: int) -> None:
    """Send a crate of results made at ``time`` (ms), unless the server has it."""
    experiment = Experiment(store, scale)
    run = experiment.of_results(time)
    experiment.send_artifacts(run, {crate.name: crate})
    experiment.describe(run, {SHA256: sha256_file(crate)})
    experiment.finish(run, time)
