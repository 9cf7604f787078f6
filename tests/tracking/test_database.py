"""The project's own database: complete or missing, whatever happens while it is created and whatever its path."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.tracking.projects import consistent, expected, finish, make_project, points, sync, tables, write_results
from tests.trust.poor_machine import no_room


def cut_off(database: Path) -> None:
    """Put a database into the state of a migration that was interrupted in one of its steps."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'c48cb773bb87'")
        connection.execute("CREATE TABLE _alembic_tmp_experiments (id)")
        connection.execute("DROP TABLE spans")


def databases(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if "mlflow" in path.name)


def test_a_full_disk_leaves_no_half_of_a_database(tmp_path, capsys):
    root = make_project(tmp_path / "a?b#c%20 d")  # so that a new database with such a name is made, too
    finish(root)
    with no_room(300_000):
        sync(root, expect=2)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: cannot send to MLflow at {root}/mlflow.db: OperationalError(")
    assert "free disk space or correct permissions, or move " in line
    assert databases(root) == []
    sync(root)
    assert databases(root) == ["mlflow.db"]
    assert points(root / "mlflow.db") == expected(6)
    assert [path.name for path in tmp_path.iterdir()] == ["a?b#c%20 d"]


def test_a_half_made_one_of_before_is_kept_aside_and_a_whole_one_made(root, capsys):
    finish(root)
    cut_off(root / "mlflow.db")
    before = tables(root / "mlflow.db")
    (root / "mlflow.db.in-part-1").write_text("mine")
    sync(root)
    line = capsys.readouterr().err.splitlines()[0]
    renamed = "it is renamed to mlflow.db.in-part-2, and a new one is created"
    assert line == f"{root}/mlflow.db is incomplete and empty: {renamed}"
    assert databases(root) == ["mlflow.db", "mlflow.db.in-part-1", "mlflow.db.in-part-2"]
    assert tables(root / "mlflow.db.in-part-2") == before
    assert (root / "mlflow.db.in-part-1").read_text() == "mine"
    assert points(root / "mlflow.db") == expected(6)


def test_one_with_content_that_cannot_be_brought_up_to_date_is_left_alone(root, error):
    finish(root)
    sync(root)
    cut_off(root / "mlflow.db")
    before = (root / "mlflow.db").read_bytes()
    assert f"or move {root}/mlflow.db away to begin a new one" in error()
    assert (root / "mlflow.db").read_bytes() == before
    assert databases(root) == ["mlflow.db"]


def test_a_file_that_is_no_database_is_left_alone(root, error):
    (root / "mlflow.db").write_text("mine" * 1000)
    assert "file is not a database" in error()
    assert (root / "mlflow.db").read_text() == "mine" * 1000


@pytest.mark.parametrize("name", ["a?b#c%20 d", "?mode=ro&%3F", "ü 'quoted' \"twice\""])
def test_a_checkout_of_any_name_contains_its_database(tmp_path, empty_database, name):
    root = make_project(tmp_path / name)
    (root / "mlflow.db").write_bytes(empty_database.read_bytes())
    finish(root)
    write_results(root, consistent())
    sync(root)
    assert points(root / "mlflow.db") >= expected(6)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    artifacts = root / "mlartifacts/demo"
    assert len(list(artifacts.glob("*/artifacts/model/artifacts/model.safetensors"))) == 1
    assert not [path for path in root.iterdir() if path.name in ("file:", "mlruns")]
