"""Addresses in the environment: a wrong one is told by the variable's name, with what to write there."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointrend.cli import main
from tests.tracking.projects import consistent, finish, write_results
from tests.tracking.test_store import refusing, sync

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxy_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def error_of(root: Path, capsys: pytest.CaptureFixture[str]) -> str:
    finish(root)
    write_results(root, consistent())
    assert sync(root) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if line.startswith("error: ")]) == 1
    assert "Traceback" not in lines
    return lines[-1]


WRONG = {
    "127.0.0.1:5000": "=http://127.0.0.1:5000",
    "server:5000": "=http://server:5000",
    "user:pass@server:5000": "=http://server:5000",
    "http://": "for example ",
    "http:/127.0.0.1:9": "for example ",
    "http://127.0.0.1:99999": "for example ",
    "http://server:x": "for example ",
    "http://[::1": "for example ",
    "/srv/mlruns": "for example ",
    "mlruns": "for example ",
}


@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"])
@pytest.mark.parametrize("uri", WRONG)
def test_no_address(
    variable: str, uri: str, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, uri)
    line = error_of(root, capsys)
    assert line.startswith(
        f"error: {variable}={uri.removeprefix('user:pass@')} is not the address of a server or a database; "
    )
    assert WRONG[uri] in line
    assert "pass@" not in line


def test_an_address_of_an_unknown_kind(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "htp://server")
    assert "at htp://server: MLflow does not support addresses of this kind; " in error_of(root, capsys)


@pytest.mark.parametrize("kind", ["http", "junk"])
def test_a_dead_registry_is_named(
    kind: str, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = f"{kind}://{refusing()}"
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", uri)
    line = error_of(root, capsys)
    assert line.startswith(f"error: cannot send to MLflow at {uri}, which MLFLOW_REGISTRY_URI names: ")
    assert "correct or unset MLFLOW_REGISTRY_URI" in line


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("kind", ["http", "socks5", "junk"])
def test_a_dead_proxy_is_named(
    variable: str, kind: str, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server.invalid:5000")
    monkeypatch.setenv(variable, f"{kind}://me:SECRET@{refusing()}")
    line = error_of(root, capsys)
    assert line.startswith(
        f"error: cannot send to MLflow at http://server.invalid:5000, through the proxy that {variable}"
    )
    assert f"correct or unset {variable}, or name the server in NO_PROXY" in line
    assert "SECRET" not in line


def test_a_proxy_that_is_not_for_this_server_is_not_named(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{refusing()}")
    monkeypatch.setenv("HTTP_PROXY", f"http://{refusing()}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert "roxy" not in error_of(root, capsys)


@pytest.mark.parametrize(
    ("variable", "value", "uri"),
    [
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "soon", ""),
        ("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE", "many", ""),
        ("MLFLOW_TRACKING_INSECURE_TLS", "perhaps", "https://127.0.0.1:9"),
        ("REQUESTS_CA_BUNDLE", "/nonexistent", "https://127.0.0.1:9"),
    ],
)
def test_a_setting_that_mlflow_cannot_read_is_named(
    variable: str, value: str, uri: str, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv(variable, value)
    _, _, do = error_of(root, capsys).partition("; ")
    assert variable in do or "unset it" in do
    assert "disk" not in do
    assert "start the server" not in do


def test_doctor_tells_the_same(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://[::1")
    main(["--params", str(root / "params.yaml"), "doctor"])
    printed = capsys.readouterr().out
    assert "MLFLOW_TRACKING_URI=http://[::1 is not the address of a server or a database" in printed
