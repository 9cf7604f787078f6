"""No test here sends anything to the server of whoever runs it."""

import shutil

import pytest
from mlflow import MlflowClient

from tests.tracking.projects import consistent, finish, make_project, sync, write_results

LOGIN = "me:SECRET@"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """A database of MLflow's, which takes seconds to make."""
    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").get_experiment("0")
    return path


@pytest.fixture
def root(tmp_path, empty_database):
    """A project at scale demo in which nothing has been trained or sent."""
    root = make_project(tmp_path / "project")
    shutil.copy(empty_database, root / "mlflow.db")
    return root


@pytest.fixture
def error(root, monkeypatch, capsys):
    """The one line with which sync fails where the environment has these variables."""

    def error(**environment: str) -> str:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        finish(root)
        write_results(root, consistent())
        capsys.readouterr()
        sync(root, expect=2)
        lines = capsys.readouterr().err.splitlines()
        assert len([line for line in lines if line.startswith("error: ")]) == 1
        assert not [line for line in lines if "Traceback" in line or LOGIN in line]
        return lines[-1]

    return error
