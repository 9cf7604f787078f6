"""Write results/<scale>/results.json: every run beside its published number, with the hashes it rests on.

examples:
  pointrend compare
  pointrend compare --seeds 0,1,2
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from pointrend.commands.evaluate import released_fingerprint
from pointrend.commands.train import fingerprint_of
from pointrend.errors import ResultsError, WeightsError
from pointrend.logs import log_to_file
from pointrend.params import RunSetting, typed_seeds
from pointrend.project import Project
from pointrend.results.compare import SelectedRun, assumed_spreads, compare, write_results
from pointrend.results.published import Published, load_published, published_miou


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    parser.add_argument("--seeds", metavar="K,K,...", help="seeds to list; default: those of params.yaml")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Compare all runs; those that were not run say so."""
    log_to_file(project.log_file("compare"))
    typed = arguments.seeds
    seeds = project.params.seeds if typed is None else typed_seeds(f"--seeds {typed!r}", typed.split(","))
    published, assumed = load_published(project.published_folder), assumed_spreads(project.params.datasets)
    selected = [_selected(project, name, seed, published) for name in project.params.runs for seed in seeds]
    selected += [_selected_release(project, name) for name in project.released_runs]
    results = compare(project.params.scale, selected, published, assumed)
    write_results(project.results_folder / "results.json", results)


def _selected(project: Project, name: str, seed: int, published: Published) -> SelectedRun:
    setting = project.setting(name)
    unpublished = [] if published_miou(published, name) is not None else ["nothing was published for this run"]
    return SelectedRun(
        **_described(setting, [*project.not_comparable(setting), *unpublished]),
        seed=seed,
        folder=project.run_folder(name, seed),
        fingerprint=_or_empty(lambda: fingerprint_of(project, setting, seed)),
    )


def _selected_release(project: Project, name: str) -> SelectedRun:
    setting = project.setting(name)
    return SelectedRun(
        **_described(setting, project.released_not_comparable(setting)),
        seed=None,
        folder=project.released_folder(name),
        fingerprint=_or_empty(lambda: released_fingerprint(project, setting)),
    )


def _described(setting: RunSetting, reasons: list[str]) -> dict[str, Any]:
    return {
        "run": setting.run,
        "dataset": setting.dataset,
        "backbone": setting.backbone,
        "comparable": not reasons,
        "reasons": tuple(reasons),
        "setting": setting.model_dump(mode="json"),
    }


def _or_empty(fingerprint: Callable[[], str]) -> str:
    try:
        return fingerprint()
    except (ResultsError, WeightsError):
        # Its data or its weights are not here, so it cannot have been made with what is here now.
        return ""
