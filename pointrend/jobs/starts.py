"""Notes in the record of starts what becomes of one attempt at a training."""

from __future__ import annotations

import logging
import os
import time
from typing import Any

from pointrend.checkout.starts import PROGRESS, Place, Starts, sealed_seeds
from pointrend.errors import CheckFailed
from pointrend.files import read_json
from pointrend.jobs.attempts import SEEDS
from pointrend.settings.fingerprints import series
from pointrend.settings.params import typed_seeds
from pointrend.settings.project import Project
from pointrend.training.run import Training

LATE_SECONDS = 3600
log = logging.getLogger(__name__)


def planned_seeds(project: Project) -> list[int]:
    """The seeds of params.yaml, or those that an engine was given where they are no part of these."""
    typed = os.environ.get(SEEDS)
    given = typed_seeds(SEEDS, typed.split(",")) if typed else ()
    planned = project.params.seeds
    return list(planned if set(given) <= set(planned) else given)


class NotedStart:
    """One attempt at a training; only the holder of its lease may make one."""

    def __init__(self, training: Training, iteration: int) -> None:
        """Seal the planned seeds if that has not happened yet, and note that it starts after ``iteration``."""
        self.training, self.starts = training, Starts(training.project.starts_folder)
        self._of: dict[str, Any] = {"run": training.setting.run, "series": series(training.project, training.setting)}
        self._of_seed = {**self._of, "seed": training.seed, "fingerprint": training.fingerprint}
        self._seal(planned_seeds(training.project))
        self.place: Place = self.starts.append("start", **self._of_seed, iteration=iteration)
        self._progressed, self._began = iteration > 0, time.monotonic()

    def progress(self) -> None:
        """Note the first checkpoint: from now on the training can resume, and has no reason to start again.

        After an hour it counts as if it had one: by then its loss can be judged.
        """
        late = time.monotonic() - self._began > LATE_SECONDS
        if not self._progressed and (late or any(self.training.checkpoints.glob("*.safetensors"))):
            self._progressed = True
            self.starts.append("progress", **self._of_seed)

    def end(self) -> None:
        """Note the weights that it ended with."""
        train = read_json(self.training.folder / "train.json")
        ended = {"iteration": train["iterations"], "model_sha256": train["model_sha256"]}
        self.starts.append("end", **self._of_seed, **ended)

    def _seal(self, seeds: list[int]) -> None:
        """Seal the seeds of this series, again if they were changed before any training had a checkpoint."""
        try:
            found = self.starts.entries()
        except CheckFailed as broken:
            log.warning("%s", broken)  # `pointrend compare` names it in the results
            found = {}
        entries = {place: entry for place, entry in found.items() if entry["series"] == self._of["series"]}
        sealed, progress = sealed_seeds(entries), any(entry["kind"] in PROGRESS for entry in entries.values())
        planned = sealed[1]["seeds"] if sealed else None
        if planned is None or (planned != seeds and not progress):
            self.starts.append("seeds", **self._of, seeds=seeds)
            planned = seeds
        if self.training.seed not in planned:
            words = "seed %d of %s is not one of %s, which were planned before the first training: it does not count"
            log.warning(words, self.training.seed, self._of["run"], planned)
