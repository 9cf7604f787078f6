"""The progress of trainings, sent to MLflow while they run, from a separate process.

Training only writes its metrics file. Failures of the server or of this process do not affect it, and `pointrend track
sync` sends what is missing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from pointrend.errors import PointrendError
from pointrend.settings.project import Project
from pointrend.tracking.content import MetricsFile, Point, curve_points, growing_files, read_records
from pointrend.tracking.runs import Experiment
from pointrend.tracking.store import opened

log = logging.getLogger(__name__)

LONGEST_PAUSE = 6  # intervals between two tries of a server that does not answer


class Follower:
    """The points read from the metrics files, by name and step, and those that are known to be in MLflow."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.read: dict[Path, dict[tuple[str, int], Point]] = {}
        # By metrics file: the id of its run, and the points that the run has.
        self.sent: dict[Path, tuple[str, set[tuple[str, int]]]] = {}

    def look(self) -> None:
        """Send what is new.

        Raises:
            TrackingError: some of it was not sent, or perhaps was: the next look asks the server before it sends.
        """
        waiting = [file for file in growing_files(self.project) if self._new_points(file)]
        if not waiting:
            return
        with opened(self.project.root, wait=0) as store:
            experiment = Experiment(store, self.project.params.scale)
            for file in waiting:
                self._send(experiment, file)

    def _new_points(self, file: MetricsFile) -> set[tuple[str, int]]:
        # A resumed training cuts its file and repeats some steps. What was read first stays, since it may have been
        # sent already: a step has exactly one point.
        read = self.read.setdefault(file.path, {})
        for point in curve_points(read_records(file.path)):
            read.setdefault((point.name, point.step), point)
        return read.keys() - self.sent.get(file.path, ("", set()))[1]

    def _send(self, experiment: Experiment, file: MetricsFile) -> None:
        read = self.read[file.path]
        child = experiment.child(file, min(point.time for point in read.values()))
        # Until this succeeds nothing is certain; and if the training has a new run by now, nothing was sent to it.
        run_id, sent = self.sent.pop(file.path, ("", set()))
        if run_id == child.info.run_id:
            experiment.add([point for key, point in read.items() if key not in sent], run_id)
        else:
            experiment.send_curves(child, read.values())
        self.sent[file.path] = child.info.run_id, set(read)
        log.info("%s: sent up to iteration %d", file, max(step for _, step in read))


def follow(project: Project, interval: float, alive: Callable[[], bool], stop: threading.Event) -> None:
    """Look every ``interval`` seconds until ``stop`` is set, or once more after ``alive`` has become false.

    A failure is one line in the log, and doubles the next pause, up to :data:`LONGEST_PAUSE`.
    """
    follower, pause = Follower(project), interval
    last = False
    while not stop.is_set() and not last:
        last = not alive()
        try:
            follower.look()
            pause = interval
        except Exception as error:  # of any kind: the next look may succeed
            pause = min(2 * pause, LONGEST_PAUSE * interval)
            what = error.what if isinstance(error, PointrendError) else repr(error)
            log.info("%s; %s", what, "`pointrend track sync` sends the rest" if last else f"next try in {pause:g} s")
        waited = 0.0
        while waited < pause and alive() and not stop.wait(interval):
            waited += interval
