"""The project's own database: whole or not there, whatever happens while it is made and whatever its path."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pointrend.cli import main
from tests.tracking.projects import consistent, expected, finish, make_project, points, tables, write_results
from tests.trust.poor_machine import no_room


def sync(root: Path) -> int:
    return main(["--params", str(root / "params.yaml"), "--scale", "demo", "--quiet", "track", "sync"])


def execute(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def cut_off(database: Path) -> None:
    """What a migration leaves that ended in the midst of one of its steps."""
    older = "UPDATE alembic_version SET version_num = 'c48cb773bb87'"
    execute(database, older, "CREATE TABLE _alembic_tmp_experiments (id)", "DROP TABLE spans")


def databases(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if "mlflow" in path.name)


def test_a_full_disk_leaves_no_half_of_a_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_project(tmp_path / "project").parent
    finish(root)
    with no_room(300_000):
        assert sync(root) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: cannot send to MLflow at {root}/mlflow.db: OperationalError(")
    assert "free disk space or correct permissions, or move " in line
    assert databases(root) == []
    assert sync(root) == 0
    assert points(root / "mlflow.db") == expected(6)


def test_a_half_made_one_of_before_is_kept_aside_and_a_whole_one_made(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(root)
    cut_off(root / "mlflow.db")
    before = tables(root / "mlflow.db")
    (root / "mlflow.db.in-part-1").write_text("mine")
    assert sync(root) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"{root}/mlflow.db is not whole and holds nothing: it is called mlflow.db.in-part-2 now, and a new one is made"
    )
    assert databases(root) == ["mlflow.db", "mlflow.db.in-part-1", "mlflow.db.in-part-2"]
    assert tables(root / "mlflow.db.in-part-2") == before
    assert (root / "mlflow.db.in-part-1").read_text() == "mine"
    assert points(root / "mlflow.db") == expected(6)


def test_one_with_content_that_cannot_be_brought_up_to_date_is_left_alone(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(root)
    assert sync(root) == 0
    cut_off(root / "mlflow.db")
    before = (root / "mlflow.db").read_bytes()
    assert sync(root) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"or move {root}/mlflow.db away to begin a new one" in line
    assert (root / "mlflow.db").read_bytes() == before
    assert databases(root) == ["mlflow.db"]


def test_a_file_that_is_no_database_is_left_alone(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finish(root)
    (root / "mlflow.db").write_text("mine" * 1000)
    assert sync(root) == 2
    assert "file is not a database" in capsys.readouterr().err
    assert (root / "mlflow.db").read_text() == "mine" * 1000


@pytest.mark.parametrize("name", ["a?b#c%20 d", "?mode=ro&%3F", "ü 'quoted' \"twice\""])
def test_a_checkout_of_any_name_has_its_database_in_itself(tmp_path: Path, empty_database: Path, name: str) -> None:
    root = make_project(tmp_path / name).parent
    (root / "mlflow.db").write_bytes(empty_database.read_bytes())
    finish(root)
    write_results(root, consistent())
    assert sync(root) == 0
    assert points(root / "mlflow.db") >= expected(6)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    artifacts = root / "mlartifacts/demo"
    assert len(list(artifacts.glob("*/artifacts/model/model.safetensors"))) == 1
    assert not [path for path in root.iterdir() if path.name in ("file:", "mlruns")]


def test_a_new_database_is_made_at_an_odd_place_too(tmp_path: Path) -> None:
    root = make_project(tmp_path / "a?b#c%20 d").parent
    finish(root)
    assert sync(root) == 0
    assert databases(root) == ["mlflow.db"]
    assert points(root / "mlflow.db") == expected(6)
    assert [path.name for path in tmp_path.iterdir()] == ["a?b#c%20 d"]
