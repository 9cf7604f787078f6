"""The project's own database of MLflow: made beside its place and renamed when it is whole."""

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

MADE_BY_MLFLOW = {"alembic_version", "workspaces", "experiments"}
"""Tables in which MLflow puts rows of its own; the only experiment among them is the one with the id 0."""


def address(path: Path) -> str:
    """The URI of a database for MLflow, whatever stands in its path.

    SQLAlchemy ends a plain path at a ``?``; in SQLite's own form of URI it can be quoted. The driver is named because
    MLflow would make folders for ``sqlite:///file:...``.
    """
    return f"sqlite+pysqlite:///file:{quote(str(path.resolve()))}?uri=true"


def make_current(path: Path) -> None:
    """Have a database in this MLflow's form at ``path``, with everything that is in the one that may be there.

    MLflow's migrations are many steps, and none of them heals where one was cut off. So they work on a copy. The caller
    keeps other processes out.
    """
    if path.exists():
        if _revision(path) == _get_latest_schema_revision():
            return
        if _holds_nothing(path):
            aside = _free_name(path)
            path.rename(aside)
            log.warning(
                "%s is not whole and holds nothing: it is called %s now, and a new one is made", path, aside.name
            )
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
    """Which form the database says it has, None where it does not say."""
    with closing(sqlite3.connect(path)) as connection:
        if "alembic_version" not in _tables(connection):
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return row and str(row[0])


def _holds_nothing(path: Path) -> bool:
    """Whether a database has no row but those that MLflow puts there itself."""
    with closing(sqlite3.connect(path)) as connection:
        tables = _tables(connection)
        filled = {name for name in tables if connection.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone()}  # noqa: S608 names of tables
        own = "SELECT 1 FROM experiments WHERE experiment_id != 0 LIMIT 1"
        return filled <= MADE_BY_MLFLOW and not ("experiments" in tables and connection.execute(own).fetchone())


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.in-part-{number}") for number in itertools.count(1))
    return next(name for name in names if not name.exists())


def _remove(new: Path) -> None:
    """Remove a database that is being made, and what SQLite keeps beside it."""
    for path in (new, new.with_name(f"{new.name}-journal")):
        path.unlink(missing_ok=True)
