"""The project's own MLflow database: created under a temporary name and renamed when it is complete."""

from __future__ import annotations

import itertools
import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from mlflow.db import upgrade
from mlflow.store.db.utils import _get_latest_schema_revision

log = logging.getLogger(__name__)

# Tables in which MLflow itself puts rows; its only experiment has the id 0.
MADE_BY_MLFLOW = {"alembic_version", "workspaces", "experiments"}


def address(path: Path) -> str:
    """The URI of a database for MLflow, with any characters in its path.

    SQLAlchemy ends a plain path at a ``?``; SQLite's own form of URI can quote it. The driver is named because MLflow
    would create folders for ``sqlite:///file:...``.
    """
    return f"sqlite+pysqlite:///file:{quote(str(path.resolve()))}?uri=true"


def make_current(path: Path) -> None:
    """Create the database at ``path``, or migrate an existing one to the schema of this MLflow.

    MLflow's migrations have many steps and cannot be resumed after an interruption, so they run on a copy. The caller
    keeps other processes out.
    """
    if path.exists():
        if _revision(path) == _get_latest_schema_revision():
            return
        if _holds_nothing(path):
            names = (path.with_name(f"{path.name}.in-part-{number}") for number in itertools.count(1))
            aside = path.rename(next(name for name in names if not name.exists()))
            log.warning("%s is incomplete and empty: it is renamed to %s, and a new one is created", path, aside.name)
    new = path.with_name(f".{path.name}.new")
    _remove(new)
    try:
        if path.exists():
            with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(new)) as copy:
                old.backup(copy)
        upgrade.main([address(new)], standalone_mode=False)  # `mlflow db upgrade`
        new.replace(path)
    finally:
        _remove(new)


def _revision(path: Path) -> str | None:
    """The revision of a database's schema, None if it has none."""
    with closing(sqlite3.connect(path)) as connection:
        if "alembic_version" not in _tables(connection):
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return row and str(row[0])


def _holds_nothing(path: Path) -> bool:
    """Whether a database has no rows except those that MLflow itself puts there."""
    with closing(sqlite3.connect(path)) as connection:
        tables = _tables(connection)
        filled = {name for name in tables if connection.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone()}  # noqa: S608 names of tables
        own = "SELECT 1 FROM experiments WHERE experiment_id != 0 LIMIT 1"
        return filled <= MADE_BY_MLFLOW and not ("experiments" in tables and connection.execute(own).fetchone())


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _remove(new: Path) -> None:
    """Remove an unfinished database, and SQLite's journal beside it."""
    for path in (new, new.with_name(f"{new.name}-journal")):
        path.unlink(missing_ok=True)
