"""No test here sends anything to the server of whoever runs it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.tracking.projects import make_project


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "POINTREND_SCALE", "POINTREND_PINS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of MLflow's, which takes seconds to make."""
    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").get_experiment("0")
    return path


@pytest.fixture
def root(tmp_path: Path, empty_database: Path) -> Path:
    """A project at scale demo in which nothing has been trained or sent."""
    root = make_project(tmp_path / "project").parent
    shutil.copy(empty_database, root / "mlflow.db")
    return root
