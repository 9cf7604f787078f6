"""Runs in an MLflow experiment: found by their tags, made where there are none, and told only what they do not know.

Every function asks the server first and then sends what is missing. So a command that was cut off anywhere, or whose
answer got lost, is simply given again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from pointrend.errors import TrackingError
from pointrend.files import sha256_file
from pointrend.tracking.spool import Point, Spool
from pointrend.tracking.store import Store, patience

BATCH = 1000
"""Metrics that MLflow takes at once."""
TAGS_BATCH = 100
"""Tags, or params, that MLflow takes at once."""
SENT = "pointrend.artifacts"
"""Tag with the sha256 of every artifact of a run."""
SUPERSEDED = "pointrend.superseded"
SHOWN = "pointrend.curves"
"""Tag of a run as a whole: the fingerprint of the training whose curves it has."""
EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    MLFLOW_RUN_NOTE: "One run for each dataset and backbone, with ours beside the published mIoU; under its + one run a"
    " training. Choose the charts for the curves of all runs in one picture; of several seeds they show the lowest."
    " For those of all trainings search for tags.`pointrend.kind` = 'training', and sort by a metric. What was trained"
    " anew since has the tag pointrend.superseded = true.",
}
"""So that the pages are those for training, and say how to read them."""


class Experiment:
    """The experiment of one scale, with one parent run per run and one child run per training."""

    def __init__(self, store: Store, scale: str) -> None:
        self.client, self.scale = store.client, scale
        self.name = f"pointrend-{scale}"
        found = self.client.get_experiment_by_name(self.name)
        if found is not None and found.lifecycle_stage == "deleted":
            do = f"bring it back with: mlflow experiments restore --experiment-id {found.experiment_id}"
            raise TrackingError(f"the experiment {self.name} in {store.name} was deleted", do)
        if found is None:
            place = f"{store.artifacts}/{scale}" if store.artifacts else None
            self.id = str(self.client.create_experiment(self.name, place, EXPERIMENT_TAGS))
        else:
            self.id = str(found.experiment_id)

    # -- runs

    def parent(self, run: str, start: int) -> Run:
        """The run that stands for all trainings of ``run``; ``start`` (ms) is used where it has to be made."""
        tags = {"pointrend.kind": "run", "pointrend.run": run}
        current = [found for found in self._search(tags) if found.data.tags.get(SUPERSEDED) != "true"]
        return self._run(run, start, tags, current)

    def parent_with_curves(self, run: str, start: int, fingerprint: str) -> Run:
        """The same, if it may have the curves of that training.

        MLflow never forgets a point. So where it has those of another training already, it is superseded by one that
        has these, or by a new one.
        """
        tags = {"pointrend.kind": "run", "pointrend.run": run, SHOWN: fingerprint}
        current = self.parent(run, start)
        if current.data.tags.get(SHOWN, fingerprint) == fingerprint:
            self.describe(current, tags)
            return current
        self.describe(current, {SUPERSEDED: "true"})
        other = self._run(run, start, tags, self._search(tags))
        self.describe(other, {SUPERSEDED: "false"})
        return other

    def child(self, spool: Spool, start: int) -> Run:
        """The run of one training; ``start`` (ms) is used where it, or its parent, has to be made."""
        parent = self.parent(spool.run, start)
        tags = {
            "pointrend.kind": "training",
            "pointrend.run": spool.run,
            "pointrend.seed": str(spool.seed),
            "pointrend.fingerprint": spool.fingerprint,
        }
        return self._run(str(spool), start, {**tags, MLFLOW_PARENT_RUN_ID: parent.info.run_id}, self._search(tags))

    def trainings(self, run: str, seed: int) -> list[Run]:
        """All runs of one seed, those that another training has superseded included."""
        return self._search({"pointrend.kind": "training", "pointrend.run": run, "pointrend.seed": str(seed)})

    def _run(self, name: str, start: int, tags: Mapping[str, str], found: Sequence[Run]) -> Run:
        """The one that was ``found``, or a new one."""
        if found:
            # There are two only where a server stored a request long after we had given it up; one of them is empty.
            return min(found, key=lambda run: (-len(run.data.metrics), run.info.start_time, run.info.run_id))
        all_tags = {**tags, "pointrend.scale": self.scale, "mlflow.source.name": "pointrend"}
        return self.client.create_run(self.id, start_time=start, tags=all_tags, run_name=name)

    def _search(self, tags: Mapping[str, str]) -> list[Run]:
        wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        runs: list[Run] = []
        token = None
        while True:
            page = self.client.search_runs([self.id], wanted, page_token=token)
            runs, token = [*runs, *page], page.token
            if not token:
                return runs

    # -- what a run is told

    def send_curves(self, run: Run, points: Iterable[Point]) -> int:
        """Points of growing curves: those whose step the server does not have; how many that were."""
        chosen = {(point.name, point.step): point for point in points}
        known = {(name, step) for name in {name for name, _ in chosen} for step in self._steps(run, name)}
        missing = sorted(chosen.keys() - known, key=lambda key: (key[1], key[0]))
        self.add([chosen[key] for key in missing], run.info.run_id)
        return len(missing)

    def add(self, points: Sequence[Point], run_id: str) -> None:
        """Points that the server is known not to have."""
        for first in range(0, len(points), BATCH):
            batch = points[first : first + BATCH]
            metrics = [Metric(point.name, point.value, point.time, point.step) for point in batch]
            self.client.log_batch(run_id, metrics=metrics, synchronous=True)

    def send_figures(self, run: Run, points: Iterable[Point]) -> int:
        """Single figures: those that are not the server's last value already; how many that were."""
        changed = [point for point in points if run.data.metrics.get(point.name) != point.value]
        later = []
        for point in changed:
            # MLflow shows the point of the latest step and time as the value.
            times = [metric.timestamp + 1 for metric in self._history(run, point.name)]
            later.append(Point(point.name, point.value, point.step, max([point.time, *times])))
        self.add(later, run.info.run_id)
        return len(later)

    def _steps(self, run: Run, name: str) -> set[int]:
        return {metric.step for metric in self._history(run, name)}

    def _history(self, run: Run, name: str) -> list[Metric]:
        return self.client.get_metric_history(run.info.run_id, name) if name in run.data.metrics else []

    def describe(self, run: Run, tags: Mapping[str, str], params: Mapping[str, Any] | None = None) -> None:
        """Tags that are new or differ, and params that are new (MLflow does not let them change)."""
        new_tags = [RunTag(key, value) for key, value in tags.items() if run.data.tags.get(key) != value]
        known = run.data.params
        new_params = [Param(key, str(value)) for key, value in (params or {}).items() if key not in known]
        for first in range(0, max(len(new_tags), len(new_params)), TAGS_BATCH):
            part = slice(first, first + TAGS_BATCH)
            self.client.log_batch(run.info.run_id, params=new_params[part], tags=new_tags[part], synchronous=True)

    def send_dataset(self, run: Run, name: str, sha256: str, facts: Mapping[str, Any]) -> None:
        """The prepared data of a training; MLflow's digest has room for the first 32 digits of the sha256."""
        known = {(used.dataset.name, used.dataset.digest) for used in (run.inputs.dataset_inputs if run.inputs else [])}
        if (name, sha256[:32]) in known:
            return
        source = json.dumps({"uri": f"data/{self.scale}/{name}/manifest.json"})
        dataset = Dataset(name, sha256[:32], "local", source, profile=json.dumps(dict(facts)))
        tags = [InputTag("mlflow.data.context", "training"), InputTag("sha256", sha256)]
        self.client.log_inputs(run.info.run_id, [DatasetInput(dataset, tags)])

    def send_artifacts(self, run: Run, files: Mapping[str, Path]) -> None:
        """Files by their path in the run, those whose sha256 is not on the server yet."""
        known = json.loads(run.data.tags.get(SENT, "{}"))
        hashes = {name: sha256_file(path) for name, path in files.items()}
        for name in (name for name in hashes if known.get(name) != hashes[name]):
            folder = str(Path(name).parent)
            with patience():
                self.client.log_artifact(run.info.run_id, str(files[name]), None if folder == "." else folder)
        self.describe(run, {SENT: json.dumps({**known, **hashes}, sort_keys=True)})

    def finish(self, run: Run, end: int, status: str = "FINISHED") -> None:
        """Mark a run as ended at ``end`` (ms)."""
        if run.info.status != status:
            self.client.set_terminated(run.info.run_id, status, end)
