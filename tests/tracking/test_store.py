"""Where results go: the lock, the database of an earlier version, dead servers, and secrets that are not shown."""

import logging
import socket
import sqlite3
import subprocess
import sys
import time

import pytest
import sqlalchemy
from alembic import command
from filelock import FileLock
from mlflow.store.db.utils import _get_alembic_config
from mlflow.store.tracking.dbmodels.initial_models import Base as FirstVersion

from pointrend.commands import track
from pointrend.tracking.store import without_secrets
from tests.tracking.projects import expected, finish, make_project, points, query, refusing, sync

OLD_VERSION = "c48cb773bb87"  # a revision of MLflow's database, of 2023
CANARY = "sw0rdfish"


def test_two_first_syncs_at_once_make_one_database(tmp_path):
    root = make_project(tmp_path / "project")
    finish(root)
    words = [sys.executable, "-m", "pointrend", "--params", "params.yaml", "--scale", "demo", "track", "sync"]
    both = [subprocess.Popen(words, cwd=root, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate(timeout=200)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert points(root / "mlflow.db") == expected(6)
    assert query(root / "mlflow.db", "SELECT count(*) FROM runs") == [(2,)]  # one, and the one above it
    assert not (root / "mlruns").exists()


def test_whoever_keeps_the_lock_is_waited_for_and_then_named(root, monkeypatch, error):
    monkeypatch.setattr(track, "WAIT", 0.2)
    (root / "logs").mkdir()
    with FileLock(root / "logs/track.lock"):
        line = error()
    assert line == "error: another process has been sending to MLflow for 0.2 seconds; run the same command again"


def test_a_database_of_an_earlier_mlflow_is_brought_up_to_date(tmp_path):
    root = make_project(tmp_path / "project")
    uri = f"sqlite:///{root}/mlflow.db"
    engine = sqlalchemy.create_engine(uri)
    FirstVersion.metadata.create_all(engine)
    logging.disable(logging.INFO)
    try:
        with engine.begin() as connection:
            config = _get_alembic_config(uri)
            config.attributes["connection"] = connection
            command.upgrade(config, OLD_VERSION)
    finally:
        logging.disable(logging.NOTSET)
    engine.dispose()
    own = "INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (7, 'mine', 'active')"
    with sqlite3.connect(root / "mlflow.db") as connection:
        connection.execute(own)
    finish(root)
    sync(root)
    assert points(root / "mlflow.db") == expected(6)
    assert query(root / "mlflow.db", "SELECT name FROM experiments WHERE experiment_id = 7") == [("mine",)]
    assert not list(root.glob("mlflow.db.*"))


def test_a_dead_server_is_one_line_at_once(root, error):
    address, started = refusing(), time.monotonic()
    line = error(MLFLOW_TRACKING_URI=f"http://user:{CANARY}@{address}")
    assert time.monotonic() - started < 5
    assert line == (
        f"error: cannot send to MLflow at http://{address}: [Errno 111] Connection refused; "
        "the results are complete: start the server, or correct its address, and run the same command again"
    )
    assert not (root / "logs/demo/tracked.json").exists()
    assert "Connection refused" in (root / "logs/demo/track.log").read_text()
    for path in root.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path


def test_a_server_that_accepts_and_says_nothing_is_given_up(error):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        started, uri = time.monotonic(), f"http://127.0.0.1:{mute.getsockname()[1]}"
        assert "timed out" in error(MLFLOW_TRACKING_URI=uri, MLFLOW_HTTP_REQUEST_TIMEOUT="1")
        assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("http://user:p%40ss@host:5/api failed", "http://user:p%40ss@host:5"),
        ("no such user user:p@ss in https://other:p@ss@host/x", "https://user:p@ss@host:5"),
        ("password p@ss refused for p%40ss", "postgresql://user:p%40ss@host/db"),
        ("HTTPConnectionPool(host='host') key=tok-en", "http://host"),
    ],
)
def test_secrets_are_cut_out(text, uri, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "tok-en")
    shown = without_secrets(text, uri)
    assert not [secret for secret in ("p@ss", "p%40ss", "tok-en") if secret in shown], shown
