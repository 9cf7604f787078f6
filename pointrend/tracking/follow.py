"""Training's progress, sent to MLflow while it goes on, from a process of its own.

Training writes its spool and knows nothing of this. Whatever becomes of the server, or of this process, costs training
nothing, and `pointrend track sync` sends what is missing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pointrend.errors import PointrendError
from pointrend.settings.project import Project
from pointrend.tracking.runs import Experiment
from pointrend.tracking.spool import Spool, curve_points, growing_spools, milliseconds, read_records
from pointrend.tracking.store import opened

log = logging.getLogger(__name__)

LONGEST_PAUSE = 6
"""Between two tries of a server that does not answer, in intervals."""


class Follower:
    """What has been read of the spools, and what of it is known to be in MLflow."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.read: dict[Path, dict[int, dict[str, Any]]] = {}
        self.sent: dict[Path, tuple[str, set[int]]] = {}
        """By spool, the id of its run and the steps that are there."""

    def look(self) -> None:
        """Send what is new.

        Raises:
            TrackingError: some of it could not be sent, or perhaps was: the next look asks the server before it sends.
        """
        waiting = [spool for spool in growing_spools(self.project) if self._new_steps(spool)]
        if not waiting:
            return
        with opened(self.project.root, wait=0) as store:
            experiment = Experiment(store, self.project.params.scale)
            for spool in waiting:
                self._send(experiment, spool)

    def _new_steps(self, spool: Spool) -> set[int]:
        # A training that resumes cuts its spool and goes through some steps again. What was read first stays, since it
        # may be on its way already: a step has one point, whatever happens.
        read = self.read.setdefault(spool.path, {})
        for record in read_records(spool.path):
            read.setdefault(int(record["iteration"]), record)
        return read.keys() - self.sent.get(spool.path, ("", set()))[1]

    def _send(self, experiment: Experiment, spool: Spool) -> None:
        read = self.read[spool.path]
        child = experiment.child(spool, milliseconds(min(record["time"] for record in read.values())))
        # Until this has gone well nothing is certain, and if the run is another one now, nothing was.
        run_id, steps = self.sent.pop(spool.path, ("", set()))
        if run_id == child.info.run_id:
            experiment.add(list(curve_points(read[step] for step in sorted(read.keys() - steps))), run_id)
        else:
            experiment.send_curves(child, curve_points(read.values()))
        self.sent[spool.path] = child.info.run_id, set(read)
        log.info("%s: sent up to iteration %d", spool, max(read))


def follow(project: Project, interval: float, alive: Callable[[], bool], stop: threading.Event) -> None:
    """Look every ``interval`` seconds until ``stop`` is set, or once more after ``alive`` has become false.

    A failure is one line in the log, and makes the next pause twice as long, up to :data:`LONGEST_PAUSE`.
    """
    follower, pause = Follower(project), interval
    last = False
    while not stop.is_set() and not last:
        last = not alive()
        try:
            follower.look()
        except Exception as error:  # whatever it is: the next look may go well
            pause = min(2 * pause, LONGEST_PAUSE * interval)
            what = error.what if isinstance(error, PointrendError) else repr(error)
            log.info("%s; %s", what, "`pointrend track sync` sends the rest" if last else f"next try in {pause:g} s")
        else:
            pause = interval
        _pause(pause, interval, alive, stop)


def _pause(seconds: float, interval: float, alive: Callable[[], bool], stop: threading.Event) -> None:
    """Wait, but not on after ``stop`` or the end of what is followed."""
    waited = 0.0
    while waited < seconds and alive() and not stop.wait(interval):
        waited += interval
