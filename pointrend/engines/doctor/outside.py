"""Archives and the tracking server."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import requests

from pointrend.engines.doctor.finding import Finding
from pointrend.errors import TrackingError
from pointrend.logs import redacted
from pointrend.settings.archives import WITH_ACCOUNT
from pointrend.settings.project import Project
from pointrend.tracking.address import TRACKING, given_address

ACCOUNT = ("CITYSCAPES_USERNAME", "CITYSCAPES_PASSWORD")
TIMEOUT = 5.0


def check_archives(project: Project) -> list[Finding]:
    """Every archive of the current scale: present, to be downloaded, or to be supplied (an account, a folder)."""
    if project.scale.data == "drawn":
        return [Finding("archives", "ok", "drawn by the project itself")]
    names = [*project.params.datasets, *(f"backbone_{name}" for name in project.params.backbones)]
    return [_check_archive(project, name) for name in names]


def _check_archive(project: Project, name: str) -> Finding:
    pins = project.archives_of(name)
    absent = [pin.name for pin in pins if not (project.archives_folder / pin.name).exists()]
    if not absent:
        return Finding(f"archives of {name}", "ok", f"in {project.relative(project.archives_folder)}")
    locked = [file for file in absent if not project.urls(file)]
    found = f"not downloaded yet: {', '.join(absent)}"
    account = name == WITH_ACCOUNT
    if locked and not _at_hand(project, locked) and not (account and all(os.environ.get(key) for key in ACCOUNT)):
        others = [run for run, chosen in project.params.runs.items() if chosen.dataset != name]
        way = f"set {' and '.join(ACCOUNT)}" if account else "add URLs to published/mirrors.json"
        do = f"{way}, or set POINTREND_ARCHIVES to a folder with {', '.join(locked)}"
        do += f"; or leave this dataset out: --config runs={','.join(others)}" if others else ""
        return Finding(f"archives of {name}", "missing", found, do)
    do = f"downloaded when needed; to do it now: pointrend --scale {project.params.scale} fetch {name}"
    return Finding(f"archives of {name}", "note", found, do)


def _at_hand(project: Project, files: list[str]) -> bool:
    place = project.archives_at_hand
    return bool(place) and ("://" in str(place) or all((Path(str(place)) / file).is_file() for file in files))


def check_tracking() -> Finding:
    """The server of MLFLOW_TRACKING_URI, shown without credentials."""
    try:
        uri = given_address(TRACKING)
    except TrackingError as error:
        return Finding("tracking", "missing", error.what, error.do)
    if not uri:
        return Finding("tracking", "ok", "no MLFLOW_TRACKING_URI: mlflow.db in the checkout")
    shown = redacted(uri)
    if urlsplit(uri).scheme not in ("http", "https"):
        do = "on a cluster use a server: several machines must not write to one database file"
        return Finding("tracking", "note", f"{shown} is not a server, so it was not contacted", do)
    try:
        answer = requests.get(f"{uri.rstrip('/')}/health", timeout=TIMEOUT)
    except requests.RequestException as error:
        do = "start the server, or correct or unset MLFLOW_TRACKING_URI; trainings do not wait for it"
        return Finding("tracking", "missing", f"{shown} does not answer ({type(error).__name__})", do)
    if answer.status_code in (401, 403):
        do = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        return Finding("tracking", "missing", f"{shown} requires credentials ({answer.status_code})", do)
    if not answer.ok:
        return Finding("tracking", "missing", f"{shown} answers {answer.status_code}", "read the server's log")
    return Finding("tracking", "ok", f"{shown} answers")
