"""Send everything of a scale to MLflow; what the server already has is not sent again."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS, MLFLOW_PARENT_RUN_ID

from pointrend.files import read_json, sha256_file, write_json
from pointrend.settings.project import Project
from pointrend.tracking import content
from pointrend.tracking.content import MetricsFile, curve_points, milliseconds, read_records
from pointrend.tracking.model import described_weights, save_model
from pointrend.tracking.registry import MODEL_FOLDER, register
from pointrend.tracking.runs import SUPERSEDED, Experiment
from pointrend.tracking.store import Store, registry

log = logging.getLogger(__name__)

RESULTS = "results.json"
PAGES = ("README.md", "index.html", "results.csv", "classes.csv", RESULTS)
SHOWN_CURVES = ("train/loss", "train/lr")  # also sent to the parent run, since charts hide nested runs by default
SMALL_FILES = ("train.json", "metrics.json", "metrics.jsonl", "matrix.parquet")
CONFUSION = "confusion.json"


def sync(store: Store, project: Project, results: Mapping[str, Any] | None) -> dict[str, Any]:
    """Send all trainings of the current scale, and ``results``, the content of results.json, if any.

    Returns the content of tracked.json: where everything is, and from which results.

    Raises:
        ResultsError: a file of a run cannot be read.
    """
    experiment = Experiment(store, project.params.scale)
    rows = list(results["runs"]) if results else []
    finished = content.finished_files(project)
    ended = {(file.run, file.seed) for file in finished}
    for file in content.growing_files(project):
        if (file.run, file.seed) not in ended and (records := read_records(file.path)):
            child = experiment.child(file, milliseconds(records[0]["time"]))
            log.info("%s, unfinished: %d points sent", file, experiment.send_curves(child, curve_points(records)))
    sent: dict[str, dict[int, Run]] = {}
    for file in finished:
        sent.setdefault(file.run, {})[file.seed] = _send_training(experiment, project, file, rows)
    for run in project.params.runs:
        of_run = [row for row in rows if row["run"] == run]
        children = sent.get(run, {})
        if children or any(row["miou"] is not None for row in of_run):
            _send_run(experiment, project, run, children, of_run)
            with registry():
                register(store.client, run, children, of_run)
    return {
        "experiment": experiment.name,
        "page": experiment.page,
        "results_sha256": results["sha256"] if results else None,
        "runs": {run: {str(seed): child.info.run_id for seed, child in of.items()} for run, of in sent.items()},
        "scale": project.params.scale,
        "store": store.name,
    }


def _send_training(experiment: Experiment, project: Project, file: MetricsFile, rows: list[content.Row]) -> Run:
    """Send a finished training: curves, settings, data, scores, files; then mark those that it supersedes."""
    folder = file.path.parent
    train = read_json(folder / "train.json")
    of_seed = (row for row in rows if (row["kind"], row["run"], row["seed"]) == ("trained", file.run, file.seed))
    row = next((row for row in of_seed if row["hashes"].get("fingerprint") == train["fingerprint"]), None)
    records = read_records(file.path)
    times = [milliseconds(record["time"]) for record in records] or [milliseconds(file.path.stat().st_mtime)]
    child = experiment.child(file, times[0])
    count = experiment.send_curves(child, curve_points(records))
    files = {name: folder / name for name in SMALL_FILES}
    computed = {"hashes.json": content.hashes(train, row)}
    tags = {SUPERSEDED: "false", **content.training_tags(train, row)}
    if row and row["miou"] is not None:
        scores = content.scores(read_json(folder / "metrics.json"), train["iterations"], times[-1])
        count += experiment.send_figures(child, scores)
        files |= {f"pictures/{name}": folder / "pictures" / name for name in row["pictures"]}
        computed[CONFUSION] = content.confusion(folder, train["setting"]["dataset"])
        tags[MLFLOW_LOGGED_ARTIFACTS] = json.dumps([{"path": CONFUSION, "type": "table"}])
    experiment.describe(child, tags, content.params(train))
    _send_dataset(experiment, project, child, train)
    experiment.send_artifacts(child, files)
    _send_model(experiment, child, folder)
    with tempfile.TemporaryDirectory(prefix="pointrend-") as temporary:
        for name, value in computed.items():
            write_json(Path(temporary) / name, value)
        experiment.send_artifacts(child, {name: Path(temporary) / name for name in computed})
    experiment.finish(child, times[-1])
    for other in experiment.trainings(file.run, file.seed):
        if other.info.run_id != child.info.run_id:
            experiment.describe(other, {SUPERSEDED: "true"})
            experiment.finish(other, times[-1], other.info.status if other.info.status != "RUNNING" else "KILLED")
    log.info("%s: %s", file, f"{count} points sent" if count else "nothing new")
    return experiment.client.get_run(child.info.run_id)


def _send_model(experiment: Experiment, child: Run, folder: Path) -> None:
    """Send the MLflow model of a training, unless the server has the one of these weights and this score."""
    with described_weights(folder) as weights:
        experiment.send_folder(child, MODEL_FOLDER, sha256_file(weights), lambda: save_model(weights))


def _send_dataset(experiment: Experiment, project: Project, run: Run, train: Mapping[str, Any]) -> None:
    experiment.send_dataset(run, project.manifest(train["setting"]["dataset"]), train["data_manifest_sha256"])


def _send_run(
    experiment: Experiment, project: Project, run: str, children: Mapping[int, Run], rows: list[content.Row]
) -> None:
    """Send the parent run: the published number, ours, the verdict, and the pages.

    It spans the time of its trainings. If only released weights were scored, its time is that of the results.
    """
    infos = [child.info for child in children.values()]
    if infos:
        start, end = min(info.start_time for info in infos), max(info.end_time for info in infos)
        parent = _send_shown_curves(experiment, project, run, children, start)
        _send_dataset(experiment, project, parent, read_json(project.run_folder(run, min(children)) / "train.json"))
    else:
        start = end = milliseconds((project.results_folder / RESULTS).stat().st_mtime)
        parent = experiment.parent(run, start)
    if rows:
        experiment.send_figures(parent, content.run_figures(rows, end))
        experiment.describe(parent, content.verdict_tags(content.headline(rows)))
        experiment.send_artifacts(parent, {f"results/{name}": project.results_folder / name for name in PAGES})
    experiment.finish(parent, end)


def _send_shown_curves(
    experiment: Experiment, project: Project, run: str, children: Mapping[int, Run], start: int
) -> Run:
    """The parent run with the curves of the lowest seed, and with all ``children`` under it."""
    seed = min(children)
    parent = experiment.parent_with_curves(run, start, children[seed].data.tags["pointrend.fingerprint"])
    for child in children.values():
        experiment.describe(child, {MLFLOW_PARENT_RUN_ID: parent.info.run_id})
    records = read_records(project.run_folder(run, seed) / content.NAME)
    experiment.send_curves(parent, (point for point in curve_points(records) if point.name in SHOWN_CURVES))
    return parent
