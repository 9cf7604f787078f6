"""Write results/<scale>/results.json: every run compared with its published number, with the hashes it rests on.

examples:
  pointrend compare
  pointrend compare --seeds 0,1,2
"""

from __future__ import annotations

import argparse

from pointrend.checkout.starts import Starts
from pointrend.commands.arguments import add_seeds, seeds
from pointrend.files import write_json
from pointrend.logs import log_to_file
from pointrend.results.chain import RESULTS
from pointrend.results.compare import assumed_spreads, compare
from pointrend.results.published import load_published
from pointrend.results.run_files import selected_runs
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    add_seeds(parser, "seeds to list")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Compare all runs, those that were not run included."""
    log_to_file(project.log_file("compare"))
    published, assumed = load_published(project.published_folder), assumed_spreads(project.params.datasets)
    selected = selected_runs(project, seeds(project, arguments.seeds), published)
    results = compare(project.params.scale, selected, published, assumed, Starts(project.starts_folder))
    write_json(project.results_folder / RESULTS, results)
