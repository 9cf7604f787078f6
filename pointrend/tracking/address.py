"""Addresses of MLflow that the environment gives: which variable has a wrong one, and what to write there."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, select_proxy

from pointrend.errors import TrackingError

TRACKING, REGISTRY = "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"
WEB = ("http", "https")
NAMED = re.compile(r"(databricks|databricks-uc|uc)(://.*)?|[a-z][a-z0-9+.-]*://.*", re.IGNORECASE)
"""What MLflow may know: a server, a database, a service. A folder, which it took once, it refuses."""


def given_address(variable: str) -> str:
    """What a variable of the environment names, empty where it names nothing.

    Raises:
        TrackingError: that is no address.
    """
    uri = os.environ.get(variable, "").strip()
    if uri and not _is_address(uri):
        shown = re.sub(r"[^/\s]*@", "", uri)
        likely = re.fullmatch(r"[\w.-]+:\d+(/\S*)?", shown)
        do = f"write {variable}=http://{shown}" if likely else f"write for example {variable}=http://127.0.0.1:5000"
        raise TrackingError(f"{variable}={shown} is no address of a server or a database", do)
    return uri


def through_proxy(uri: str) -> str:
    """The variable that names a proxy for requests to ``uri``, empty where there is none."""
    scheme = urlsplit(uri).scheme.lower()
    if scheme not in WEB or not select_proxy(uri, get_environ_proxies(uri)):
        return ""
    names = (f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY")
    return next((name for name in names if os.environ.get(name)), "")


def variable_at_fault(reason: str) -> str:
    """The variable that a failure names, or that names certificates which are not there; empty where it is neither."""
    named = [name for name in re.findall(r"MLFLOW_[A-Z_]+", reason) if name in os.environ]
    if "certificate bundle" in reason:
        named += [name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if os.environ.get(name)]
    return named[0] if named else ""


def _is_address(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        is_web = parts.scheme.lower() in WEB
        return bool(NAMED.fullmatch(uri)) and (not is_web or (bool(parts.hostname) and parts.port != 0))
    except ValueError:  # a port that is no number, half a bracket
        return False
