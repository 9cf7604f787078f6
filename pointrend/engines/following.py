"""Live tracking beside an engine, in a separate process whose failure affects nothing else."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Sequence

from pointrend.settings.project import Project

log = logging.getLogger(__name__)


def start_following(project: Project, options: Sequence[str]) -> None:
    """Start ``pointrend OPTIONS track follow``, which sends curves for as long as this process lives.

    Only where MLFLOW_TRACKING_URI names a server: the project's own database is written once, at the end.
    """
    server = os.environ.get("MLFLOW_TRACKING_URI", "").strip().startswith(("http://", "https://"))
    if not (server and project.params.operation.tracking):
        return
    follow = ["--quiet", "track", "follow", "--while-pid", str(os.getpid())]
    command = [sys.executable, "-m", "pointrend", *options, *follow]
    path = project.log_file("track-follow")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab") as output:
            subprocess.Popen(  # noqa: S603 our own interpreter, no shell
                command,
                cwd=project.root,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
    except OSError as error:
        log.warning("no live tracking: %s", error)
