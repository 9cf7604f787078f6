"""Addresses of MLflow in the environment: which variable is wrong, and how to correct it."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, select_proxy

from pointrend.errors import TrackingError

TRACKING, REGISTRY = "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"
WEB = ("http", "https")
# Servers, databases and services that MLflow may support. It no longer accepts a folder.
ADDRESS = re.compile(r"(databricks|databricks-uc|uc)(://.*)?|[a-z][a-z0-9+.-]*://.*", re.IGNORECASE)


def given_address(variable: str) -> str:
    """The address in a variable of the environment, empty if there is none.

    Raises:
        TrackingError: the value is not an address.
    """
    uri = os.environ.get(variable, "").strip()
    if uri and not _is_address(uri):
        shown = re.sub(r"[^/\s]*@", "", uri)
        likely = re.fullmatch(r"[\w.-]+:\d+(/\S*)?", shown)
        do = f"write {variable}=http://{shown}" if likely else f"write for example {variable}=http://127.0.0.1:5000"
        raise TrackingError(f"{variable}={shown} is not the address of a server or a database", do)
    return uri


def _is_address(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        is_web = parts.scheme.lower() in WEB
        return bool(ADDRESS.fullmatch(uri)) and (not is_web or (bool(parts.hostname) and parts.port != 0))
    except ValueError:  # a port that is not a number, an unclosed bracket
        return False


def through_proxy(uri: str) -> str:
    """The variable that names a proxy for requests to ``uri``, empty if there is none."""
    scheme = urlsplit(uri).scheme.lower()
    if scheme not in WEB or not select_proxy(uri, get_environ_proxies(uri)):
        return ""
    names = (f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY")
    return next((name for name in names if os.environ.get(name)), "")


def variable_at_fault(reason: str) -> str:
    """The variable that a failure names, or that names missing certificates; empty if it is neither."""
    named = [name for name in re.findall(r"MLFLOW_[A-Z_]+", reason) if name in os.environ]
    if "certificate bundle" in reason:
        named += [name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if os.environ.get(name)]
    return named[0] if named else ""
