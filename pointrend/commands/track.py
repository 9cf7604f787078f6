"""Send results and curves to MLflow: to the server in MLFLOW_TRACKING_URI, or to mlflow.db in the project's folder.

sync sends everything of the current scale, and can be repeated: what MLflow already has is not sent again.
follow sends the curves of running trainings until it is stopped.

examples:
  pointrend track sync
  pointrend --scale paper track follow
"""

from __future__ import annotations

import argparse
import logging
import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pointrend.engines.summary import runs_address, tracked_file
from pointrend.errors import PointrendError
from pointrend.files import write_json
from pointrend.logs import log_to_file
from pointrend.results.compare import read_results
from pointrend.settings.project import Project

if TYPE_CHECKING:
    from pointrend.tracking.store import Store

log = logging.getLogger("pointrend.track")

WAIT = 120.0  # seconds that sync waits for another process of this project that sends to MLflow


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    parser.add_argument("way", choices=("sync", "follow"), help="send everything once, or curves while trainings run")
    seconds = "with follow: seconds between checks; default 10"
    parser.add_argument("--interval", type=_seconds, default=10.0, metavar="S", help=seconds)
    end = "with follow: end when the process PID has ended"
    parser.add_argument("--while-pid", type=_pid, metavar="PID", help=end)


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Sync or follow, unless params.yaml has ``operation.tracking: false``."""
    if arguments.way == "follow":
        log_to_file(project.log_file("track-follow"))
        if project.params.operation.tracking:
            _follow(project, arguments)
        return
    log_to_file(project.log_file("track"))
    record = tracked_file(project)
    if project.params.operation.tracking:
        write_json(record, _sync(project))
    else:
        log.info("nothing was sent: params.yaml has operation.tracking: false")
        write_json(record, {"scale": project.params.scale, "store": None})


def _sync(project: Project) -> dict[str, Any]:
    from pointrend.tracking.mlflow_sync import sync
    from pointrend.tracking.store import opened

    results = project.results_folder / "results.json"
    with opened(project.root, WAIT) as store:
        record = sync(store, project, read_results(results) if results.is_file() else None)
        if results.is_file():
            _send_crate(store, project, int(results.stat().st_mtime * 1000))
        log.info("experiment %s is up to date: %s", record["experiment"], runs_address(record))
    return record


def _send_crate(store: Store, project: Project, time: int) -> None:
    from pointrend.engines.performed import performed
    from pointrend.results.crate.build import contents, write_crate
    from pointrend.tracking.crate import send_crate

    with tempfile.TemporaryDirectory(prefix="pointrend-") as folder:
        crate = Path(folder) / "results.crate.zip"
        try:
            write_crate(crate, contents(project, performed(project, project.params.runs)), "", None)
        except PointrendError as fault:
            log.warning("no crate of the results was sent: %s", fault)
        else:
            send_crate(store, project.params.scale, crate, time)


def _follow(project: Project, arguments: argparse.Namespace) -> None:
    from pointrend.tracking.follow import follow

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    follow(project, arguments.interval, _alive(arguments.while_pid), stop)


def _alive(pid: int | None) -> Callable[[], bool]:
    """A function that returns whether the process that has this id now is still running."""
    if pid is None:
        return lambda: True
    from psutil import STATUS_ZOMBIE, NoSuchProcess, Process

    try:
        process = Process(pid)
    except NoSuchProcess:
        return lambda: False

    def alive() -> bool:
        try:
            return process.is_running() and process.status() != STATUS_ZOMBIE
        except NoSuchProcess:
            return False

    return alive


def _pid(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 2**31):
        raise argparse.ArgumentTypeError(f"{text!r} is not a process id")
    return int(text)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError("must be above 0 and at most 3600")
    return seconds
