"""The status of a checkout after an engine has run: what is done, where it is, and the next commands.

Both engines end with this, Snakemake in its handlers and DVC in the stage that writes the pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pointrend.engines.workflow import Workflow
from pointrend.errors import ResultsError
from pointrend.files import read_json, sha256_file
from pointrend.results.chain import folder_name
from pointrend.settings.project import DATABASE, Project
from pointrend.terminal import table

PAGES = ("index.html", "README.md")
FAILED = (
    "\nA job failed: the messages above name its log. Fix the cause and rerun the same command; finished work is kept."
)
MOST_NAMES = 3  # how many missing items are named


def summary(wanted: Workflow, rest: str = "") -> str:
    """The status of the ``wanted`` runs and seeds; ``rest`` is the command that makes what is missing."""
    project = wanted.project
    stages, current, scale = _stages(wanted), _pages_are_current(wanted), wanted.scale
    lines = ["", f"Scale {scale}: status"]
    rows = [(f"  {name}", _stage_text(project, name, items)) for name, items in stages.items()]
    lines.append(table([*rows, ("  tables", _pages_text(project, current))], "<"))
    commands = {}
    if rest and not (current and all(all(items.values()) for items in stages.values())):
        commands[rest] = "makes the rest"
    if current:
        commands[f"pointrend --scale {scale} report --show"] = "prints the table"
        commands[f"pointrend --scale {scale} verify"] = "recomputes every hash and every mIoU behind it"
    tracked = content(tracked_file(project))
    if tracked.get("store") == DATABASE:
        commands[f"mlflow ui --backend-store-uri sqlite:///{DATABASE}"] = "serves runs and curves at the address below"
    if current and scale == "demo":
        commands["pointrend --scale paper plan"] = "shows what the published recipe requires"
    if commands:
        rows = [(f"  {command}", meaning) for command, meaning in commands.items()]
        lines += ["", "Next", table(rows, "<")]
    if address := runs_address(tracked):
        lines += ["", f"MLflow  {address}"]
    return "\n".join([*lines, ""])


def tracked_file(project: Project) -> Path:
    """The record of `pointrend track sync`: where it sent everything."""
    return project.log_file("track").with_name("tracked.json")


def runs_address(tracked: Mapping[str, Any]) -> str:
    """Where MLflow shows the runs, from tracked.json; empty where nothing was sent."""
    store = tracked.get("store")
    server = "http://127.0.0.1:5000" if store == DATABASE else str(store or "").rstrip("/")
    return server and f"{server}/{tracked.get('page', '')}"


def _stages(wanted: Workflow) -> dict[str, dict[str, bool]]:
    """By stage: its datasets, trainings or scores, and whether each is done."""
    project = wanted.project
    seeds = [(f"{run} seed {seed}", project.run_folder(run, seed)) for run in wanted.runs for seed in wanted.seeds]
    stages = {
        "prepared": {dataset: project.manifest(dataset).is_file() for dataset in wanted.datasets},
        "trained": {name: (folder / "train.json").is_file() for name, folder in seeds},
        "scored": {name: is_scored(folder) for name, folder in seeds},
        "released": {run: (project.released_folder(run) / "metrics.json").is_file() for run in wanted.released},
        "audited": {run: (project.audited_folder(run) / "audit.json").is_file() for run in wanted.audited},
    }
    return {name: items for name, items in stages.items() if items}


def is_scored(folder: Path) -> bool:
    """Whether a score exists and is one of the present training."""
    train, metrics = (content(folder / name).get("fingerprint") for name in ("train.json", "metrics.json"))
    return metrics is not None and metrics == train


def _pages_are_current(wanted: Workflow) -> bool:
    """Whether the pages exist and show the present scores."""
    project, results = wanted.project, content(wanted.project.results_folder / "results.json")
    rows = (row for row in results.get("runs", []) if row["kind"] != "seeds")
    shown = {project.runs_folder / folder_name(row): row["hashes"].get("metrics.json") for row in rows}
    folders = {project.run_folder(run, seed) for run in wanted.runs for seed in wanted.seeds}
    folders |= {project.released_folder(run) for run in wanted.released}
    scores = {folder: folder / "metrics.json" for folder in folders | shown.keys()}
    return all((project.results_folder / name).is_file() for name in PAGES) and all(
        shown.get(folder) == (sha256_file(path) if path.is_file() else None) for folder, path in scores.items()
    )


def _pages_text(project: Project, current: bool) -> str:
    found = [project.relative(path) for name in PAGES if (path := project.results_folder / name).is_file()]
    if current:
        return ", ".join(found)
    return "out of date: they show other scores" if found else "not yet"


def _stage_text(project: Project, name: str, items: Mapping[str, bool]) -> str:
    missing = [item for item, done in items.items() if not done]
    found = f"{len(items) - len(missing)} of {len(items)}"
    if missing:
        more = f" and {len(missing) - MOST_NAMES} more" if len(missing) > MOST_NAMES else ""
        return f"{found}; not yet: {', '.join(missing[:MOST_NAMES])}{more}"
    folder = project.data_folder("") if name == "prepared" else project.runs_folder
    return f"{found}, in {project.relative(folder)}/"


def content(path: Path) -> dict[str, Any]:
    """A JSON object; empty where the file has none."""
    try:
        found = read_json(path)
    except ResultsError:
        return {}
    return found if isinstance(found, dict) else {}
