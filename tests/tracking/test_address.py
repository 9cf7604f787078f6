"""Addresses in the environment: the error names the variable with the wrong one, and how to correct it."""

from collections.abc import Callable

import pytest

from pointrend.cli import main
from tests.tracking.conftest import LOGIN
from tests.tracking.projects import refusing

Error = Callable[..., str]

WRONG = {
    "127.0.0.1:5000": "=http://127.0.0.1:5000",
    "server:5000": "=http://server:5000",
    f"{LOGIN}server:5000": "=http://server:5000",
    **dict.fromkeys(("http://", "http:/127.0.0.1:9", "http://127.0.0.1:99999", "http://server:x"), "for example "),
    **dict.fromkeys(("http://[::1", "/srv/mlruns", "mlruns"), "for example "),
}


@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"])
@pytest.mark.parametrize("uri", WRONG)
def test_no_address(variable, uri, error):
    line, shown = error(**{variable: uri}), uri.removeprefix(LOGIN)
    assert line.startswith(f"error: {variable}={shown} is not the address of a server or a database; ")
    assert WRONG[uri] in line


def test_an_address_of_an_unknown_kind(error):
    line = error(MLFLOW_TRACKING_URI="htp://server")
    assert "at htp://server: MLflow does not support addresses of this kind; " in line


@pytest.mark.parametrize("kind", ["http", "junk"])
def test_a_dead_registry_is_named(kind, error):
    uri = f"{kind}://{refusing()}"
    line = error(MLFLOW_REGISTRY_URI=uri)
    assert line.startswith(f"error: cannot send to MLflow at {uri}, which MLFLOW_REGISTRY_URI names: ")
    assert "correct or unset MLFLOW_REGISTRY_URI" in line


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("kind", ["http", "socks5", "junk"])
def test_a_dead_proxy_is_named(variable, kind, error):
    uri, proxy = "http://server.invalid:5000", f"{kind}://{LOGIN}{refusing()}"
    line = error(**{"MLFLOW_TRACKING_URI": uri, variable: proxy})
    assert line.startswith(f"error: cannot send to MLflow at {uri}, through the proxy that {variable}")
    assert f"correct or unset {variable}, or name the server in NO_PROXY" in line


def test_a_proxy_that_is_not_for_this_server_is_not_named(error):
    elsewhere = {"HTTP_PROXY": f"http://{refusing()}", "NO_PROXY": "127.0.0.1"}
    assert "roxy" not in error(MLFLOW_TRACKING_URI=f"http://{refusing()}", **elsewhere)


@pytest.mark.parametrize(
    ("variable", "value", "uri"),
    [
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "soon", ""),
        ("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE", "many", ""),
        ("MLFLOW_TRACKING_INSECURE_TLS", "perhaps", "https://127.0.0.1:9"),
        ("REQUESTS_CA_BUNDLE", "/nonexistent", "https://127.0.0.1:9"),
    ],
)
def test_a_setting_that_mlflow_cannot_read_is_named(variable, value, uri, error):
    _, _, do = error(**{"MLFLOW_TRACKING_URI": uri, variable: value}).partition("; ")
    assert variable in do or "unset it" in do
    assert "disk" not in do
    assert "start the server" not in do


def test_doctor_reports_the_same(root, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://[::1")
    main(["--params", str(root / "params.yaml"), "doctor"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "MLFLOW_TRACKING_URI=http://[::1 is not the address of a server or a database" in printed
