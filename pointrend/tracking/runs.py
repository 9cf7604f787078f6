"""Runs in an MLflow experiment: found by their tags, created where there are none, and sent only what they lack.

Every function asks the server first and then sends what is missing. So a command that was interrupted, or whose answer
was lost, can simply be run again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from pointrend.errors import TrackingError
from pointrend.files import read_json, sha256_file
from pointrend.tracking.content import MetricsFile, Point
from pointrend.tracking.store import Store, patience

BATCH, TAGS_BATCH = 1000, 100  # metrics, and tags or params, that MLflow accepts at once
MOST_RUNS = 50_000  # runs that MLflow lists at most; there are as many as trainings
SENT = "pointrend.artifacts"  # tag with the sha256 of every artifact of a run
SUPERSEDED = "pointrend.superseded"
SHOWN = "pointrend.curves"  # tag of a parent run: the fingerprint of the training whose curves it shows
# MLflow 3 opens an experiment on its view for GenAI, whatever the tags say. This address opens the runs, with the
# columns of a view that a tag of the experiment stores.
VIEW = "scores"
PAGE = "#/experiments/{}/runs?workflowType=machine_learning&viewStateShareKey=" + VIEW
COLUMNS = ("metrics.`miou`", "metrics.`published_miou`", "metrics.`difference`", "tags.`pointrend.verdict`")
STATE = {
    **{"searchFilter": "", "orderByKey": "attributes.start_time", "orderByAsc": False, "startTime": "ALL"},
    **{"lifecycleFilter": "Active", "modelVersionFilter": "All Runs", "datasetsFilter": [], "groupBy": None},
    **{"selectedColumns": [*COLUMNS, "attributes.`Duration`"]},
    **{"runsExpanded": {}, "runsPinned": [], "runsHidden": []},
}
EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    f"mlflow.sharedViewState.{VIEW}": json.dumps(STATE),
    MLFLOW_RUN_NOTE: "One run per dataset and backbone, with our mIoU beside the published one; one nested run per"
    " training, under its +. The charts show the curves of all runs; of several seeds, those of the lowest. For the"
    " curves of all trainings search for tags.`pointrend.kind` = 'training', and sort by a metric. Trainings that were"
    " replaced by a newer one have the tag pointrend.superseded = true.",
}


class Experiment:
    """The experiment of one scale, with one parent run per run and one child run per training."""

    def __init__(self, store: Store, scale: str) -> None:
        self.client, self.scale = store.client, scale
        self.name = f"pointrend-{scale}"
        found = self.client.get_experiment_by_name(self.name)
        if found is not None and found.lifecycle_stage == "deleted":
            do = f"restore it with: mlflow experiments restore --experiment-id {found.experiment_id}"
            raise TrackingError(f"the experiment {self.name} in {store.name} was deleted", do)
        artifacts = f"{store.artifacts}/{scale}" if store.artifacts else None
        made = found.experiment_id if found else self.client.create_experiment(self.name, artifacts, EXPERIMENT_TAGS)
        self.id = str(made)
        for key, value in EXPERIMENT_TAGS.items():
            if found is not None and found.tags.get(key) != value and key != MLFLOW_RUN_NOTE:
                self.client.set_experiment_tag(self.id, key, value)

    @property
    def page(self) -> str:
        """The part of the address after that of the server that shows the runs with their scores."""
        return PAGE.format(self.id)

    def parent(self, run: str, start: int) -> Run:
        """The parent run of all trainings of ``run``, created with ``start`` (ms) if necessary."""
        tags = {"pointrend.kind": "run", "pointrend.run": run}
        current = [found for found in self._search(tags) if found.data.tags.get(SUPERSEDED) != "true"]
        return self._run(run, start, tags, current)

    def parent_with_curves(self, run: str, start: int, fingerprint: str) -> Run:
        """The parent run that shows the curves of the training with ``fingerprint``.

        MLflow keeps every point. So a parent that has the curves of a different training is superseded by one that has
        these, or by a new one.
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

    def child(self, file: MetricsFile, start: int) -> Run:
        """The run of one training, created with ``start`` (ms) if necessary, like its parent."""
        parent = self.parent(file.run, start)
        tags = {"pointrend.kind": "training", "pointrend.run": file.run, "pointrend.seed": str(file.seed)}
        tags["pointrend.fingerprint"] = file.fingerprint
        return self._run(str(file), start, {**tags, MLFLOW_PARENT_RUN_ID: parent.info.run_id}, self._search(tags))

    def of_results(self, start: int) -> Run:
        """The run that has the results of all runs as a whole, created with ``start`` (ms) if necessary."""
        tags = {"pointrend.kind": "results"}
        return self._run("results", start, tags, self._search(tags))

    def trainings(self, run: str, seed: int) -> list[Run]:
        """All runs of one seed, including superseded ones."""
        return self._search({"pointrend.kind": "training", "pointrend.run": run, "pointrend.seed": str(seed)})

    def _run(self, name: str, start: int, tags: Mapping[str, str], found: Sequence[Run]) -> Run:
        """The run that was ``found``, or a new one."""
        if found:
            # Two exist only if a server stored a request long after the client had given up; one of them is empty.
            return min(found, key=lambda run: (-len(run.data.metrics), run.info.start_time, run.info.run_id))
        all_tags = {**tags, "pointrend.scale": self.scale, "mlflow.source.name": "pointrend"}
        return self.client.create_run(self.id, start_time=start, tags=all_tags, run_name=name)

    def _search(self, tags: Mapping[str, str]) -> list[Run]:
        wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        return list(self.client.search_runs([self.id], wanted, max_results=MOST_RUNS))

    def send_curves(self, run: Run, points: Iterable[Point]) -> int:
        """Send the points of growing curves whose step the server does not have; return how many."""
        chosen = {(point.name, point.step): point for point in points}
        names = {name for name, _ in chosen}
        known = {(name, metric.step) for name in names for metric in self._history(run, name)}
        missing = sorted(chosen.keys() - known, key=lambda key: (key[1], key[0]))
        self.add([chosen[key] for key in missing], run.info.run_id)
        return len(missing)

    def add(self, points: Sequence[Point], run_id: str) -> None:
        """Send points that the server is known not to have."""
        for first in range(0, len(points), BATCH):
            batch = points[first : first + BATCH]
            metrics = [Metric(point.name, point.value, point.time, point.step) for point in batch]
            self.client.log_batch(run_id, metrics=metrics, synchronous=True)

    def send_figures(self, run: Run, points: Iterable[Point]) -> int:
        """Send single figures that differ from the server's last value; return how many."""
        later = []
        for point in points:
            if run.data.metrics.get(point.name) != point.value:
                # MLflow shows the point of the latest step and time as the value.
                times = [metric.timestamp + 1 for metric in self._history(run, point.name)]
                later.append(Point(point.name, point.value, point.step, max([point.time, *times])))
        self.add(later, run.info.run_id)
        return len(later)

    def _history(self, run: Run, name: str) -> list[Metric]:
        return self.client.get_metric_history(run.info.run_id, name) if name in run.data.metrics else []

    def describe(self, run: Run, tags: Mapping[str, str], params: Mapping[str, Any] | None = None) -> None:
        """Send tags that are new or differ, and params that are new (MLflow does not let them change)."""
        new_tags = [RunTag(key, value) for key, value in tags.items() if run.data.tags.get(key) != value]
        known = run.data.params
        new_params = [Param(key, str(value)) for key, value in (params or {}).items() if key not in known]
        for first in range(0, max(len(new_tags), len(new_params)), TAGS_BATCH):
            part = slice(first, first + TAGS_BATCH)
            self.client.log_batch(run.info.run_id, params=new_params[part], tags=new_tags[part], synchronous=True)

    def send_dataset(self, run: Run, manifest: Path, sha256: str) -> None:
        """Send the prepared data of a training, with its counts if the ``manifest`` is still the same.

        MLflow's digest has room for the first 32 digits of the sha256.
        """
        name, same = manifest.parent.name, manifest.is_file() and sha256_file(manifest) == sha256
        facts = {key: read_json(manifest).get(key) for key in ("counts", "pins")} if same else {}
        known = {(used.dataset.name, used.dataset.digest) for used in (run.inputs.dataset_inputs if run.inputs else [])}
        if (name, sha256[:32]) in known:
            return
        source = json.dumps({"uri": f"data/{self.scale}/{name}/manifest.json"})
        dataset = Dataset(name, sha256[:32], "local", source, profile=json.dumps(facts))
        tags = [InputTag("mlflow.data.context", "training"), InputTag("sha256", sha256)]
        self.client.log_inputs(run.info.run_id, [DatasetInput(dataset, tags)])

    def send_artifacts(self, run: Run, files: Mapping[str, Path]) -> None:
        """Send the existing ``files``, by their path in the run, whose sha256 is not on the server yet."""
        known = self.sent(run)
        hashes = {name: sha256_file(path) for name, path in files.items() if path.is_file()}
        for name in (name for name in hashes if known.get(name) != hashes[name]):
            folder = str(Path(name).parent)
            with patience():
                self.client.log_artifact(run.info.run_id, str(files[name]), None if folder == "." else folder)
        self._mark_sent(run, known | hashes)

    def send_folder(self, run: Run, name: str, sha256: str, make: Callable[[], Path]) -> None:
        """Send the folder that ``make`` makes as ``name``, unless the one for ``sha256`` is on the server already."""
        known = self.sent(run)
        if known.get(name) != sha256:
            with patience():
                self.client.log_artifacts(run.info.run_id, str(make()), name)
            self._mark_sent(run, known | {name: sha256})

    def sent(self, run: Run) -> dict[str, str]:
        """sha256 of the artifacts that the server has, by path."""
        return dict(json.loads(run.data.tags.get(SENT, "{}")))

    def _mark_sent(self, run: Run, hashes: Mapping[str, str]) -> None:
        if hashes != self.sent(run):
            run.data.tags[SENT] = json.dumps(hashes, sort_keys=True)
            self.client.set_tag(run.info.run_id, SENT, run.data.tags[SENT])

    def finish(self, run: Run, end: int, status: str = "FINISHED") -> None:
        """Mark a run as ended at ``end`` (ms)."""
        if run.info.status != status:
            self.client.set_terminated(run.info.run_id, status, end)
