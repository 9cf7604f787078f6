"""Everything that a scale has, sent to MLflow once: what is there already is not sent again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from pointrend.files import read_json, sha256_file
from pointrend.settings.project import Project
from pointrend.tracking import content
from pointrend.tracking.registry import MODEL_FOLDER, register
from pointrend.tracking.runs import SUPERSEDED, Experiment
from pointrend.tracking.spool import (
    FILE,
    Spool,
    curve_points,
    finished_spools,
    growing_spools,
    milliseconds,
    read_records,
)
from pointrend.tracking.store import Store, registry

log = logging.getLogger(__name__)

RESULTS = "results.json"
PAGES = ("README.md", "index.html", RESULTS)
SHOWN_CURVES = ("train/loss", "train/lr")
"""That a run as a whole has, too, since charts show nested runs only when asked to."""
SMALL_FILES = ("train.json", "metrics.json", "metrics.jsonl")


def sync(store: Store, project: Project, results: Mapping[str, Any] | None) -> dict[str, Any]:
    """Send all trainings of the current scale, and ``results``, the content of results.json, if there are any.

    Returns what tracked.json says: where everything is, and what it was made from.

    Raises:
        ResultsError: a file of a run cannot be read.
    """
    experiment = Experiment(store, project.params.scale)
    rows = list(results["runs"]) if results else []
    finished = finished_spools(project)
    ended = {(spool.run, spool.seed) for spool in finished}
    for spool in growing_spools(project):
        if (spool.run, spool.seed) not in ended:
            _send_curves(experiment, spool)
    sent: dict[str, dict[int, Run]] = {}
    for spool in finished:
        sent.setdefault(spool.run, {})[spool.seed] = _send_training(experiment, project, spool, rows)
    for run in project.params.runs:
        of_run = [row for row in rows if row["run"] == run]
        children = sent.get(run, {})
        if children or any(row["miou"] is not None for row in of_run):
            _send_run(experiment, project, run, children, of_run)
            with registry():
                register(store.client, run, children, of_run)
    return {
        "experiment": experiment.name,
        "results_sha256": results["sha256"] if results else None,
        "runs": {run: {str(seed): child.info.run_id for seed, child in of.items()} for run, of in sent.items()},
        "scale": project.params.scale,
        "store": store.name,
    }


def _send_curves(experiment: Experiment, spool: Spool) -> None:
    """The curves of a training that has not ended."""
    if records := read_records(spool.path):
        child = experiment.child(spool, milliseconds(records[0]["time"]))
        count = experiment.send_curves(child, curve_points(records))
        log.info("%s, which has not ended: %d points sent", spool, count)


def _send_training(experiment: Experiment, project: Project, spool: Spool, rows: list[content.Row]) -> Run:
    """One training that has ended: curves, settings, data, scores, files; then what it supersedes."""
    folder = spool.path.parent
    train = read_json(folder / "train.json")
    row = next((row for row in rows if _is_about(row, spool, train)), None)
    records = read_records(spool.path)
    times = [milliseconds(record["time"]) for record in records] or [milliseconds(spool.path.stat().st_mtime)]
    child = experiment.child(spool, times[0])
    count = experiment.send_curves(child, curve_points(records))
    files = {name: folder / name for name in SMALL_FILES}
    files[f"{MODEL_FOLDER}/model.safetensors"] = folder / "model.safetensors"
    if row and row["miou"] is not None:
        scores = content.scores(read_json(folder / "metrics.json"), train["iterations"], times[-1])
        count += experiment.send_figures(child, scores)
        files |= {f"pictures/{name}": folder / "pictures" / name for name in row["pictures"]}
    experiment.describe(child, {SUPERSEDED: "false", **content.training_tags(train, row)}, content.params(train))
    _send_dataset(experiment, project, child, train)
    experiment.send_artifacts(child, {name: path for name, path in files.items() if path.is_file()})
    experiment.finish(child, times[-1])
    for other in experiment.trainings(spool.run, spool.seed):
        if other.info.run_id != child.info.run_id:
            experiment.describe(other, {SUPERSEDED: "true"})
            experiment.finish(other, times[-1], other.info.status if other.info.status != "RUNNING" else "KILLED")
    log.info("%s: %s", spool, f"{count} points sent" if count else "nothing new")
    return experiment.client.get_run(child.info.run_id)


def _is_about(row: content.Row, spool: Spool, train: Mapping[str, Any]) -> bool:
    """Whether a row is about this training, and not about one with another setting, or none."""
    same = (row["kind"], row["run"], row["seed"]) == ("trained", spool.run, spool.seed)
    return same and row["hashes"].get("fingerprint") == train["fingerprint"]


def _send_dataset(experiment: Experiment, project: Project, child: Run, train: Mapping[str, Any]) -> None:
    dataset, sha256 = train["setting"]["dataset"], train["data_manifest_sha256"]
    manifest: Path = project.manifest(dataset)
    same = manifest.is_file() and sha256_file(manifest) == sha256
    facts = {key: read_json(manifest).get(key) for key in ("counts", "pins")} if same else {}
    experiment.send_dataset(child, dataset, sha256, facts)


def _send_run(
    experiment: Experiment, project: Project, run: str, children: Mapping[int, Run], rows: list[content.Row]
) -> None:
    """The parent run: the published number, ours, the verdict, and the pages.

    It spans its trainings. Where only released weights were scored, its time is that of the results.
    """
    infos = [child.info for child in children.values()]
    compared = [milliseconds((project.results_folder / RESULTS).stat().st_mtime)] if rows else []
    start = min([info.start_time for info in infos] or compared)
    parent = (
        _send_shown_curves(experiment, project, run, children, start) if children else experiment.parent(run, start)
    )
    end = max([info.end_time for info in infos] or compared)
    if rows:
        experiment.send_figures(parent, content.run_figures(rows, end))
        experiment.describe(parent, content.verdict_tags(content.headline(rows)))
        pages = {f"results/{name}": project.results_folder / name for name in PAGES}
        experiment.send_artifacts(parent, {name: path for name, path in pages.items() if path.is_file()})
    experiment.finish(parent, end)


def _send_shown_curves(
    experiment: Experiment, project: Project, run: str, children: Mapping[int, Run], start: int
) -> Run:
    """The parent run with the curves of the training with the lowest seed, and with all ``children`` under it."""
    seed = min(children)
    parent = experiment.parent_with_curves(run, start, children[seed].data.tags["pointrend.fingerprint"])
    for child in children.values():
        experiment.describe(child, {MLFLOW_PARENT_RUN_ID: parent.info.run_id})
    records = read_records(project.run_folder(run, seed) / FILE)
    experiment.send_curves(parent, (point for point in curve_points(records) if point.name in SHOWN_CURVES))
    return parent
