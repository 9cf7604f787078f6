"""Write results/<scale>/results.json: every run compared with its published number, with the hashes it rests on.

examples:
  pointrend compare
  pointrend compare --seeds 0,1,2
"""

from __future__ import annotations

import argparse

from pointrend.checkout.starts import Starts
from pointrend.files import write_json
from pointrend.logs import log_to_file
from pointrend.results.chain import RESULTS
from pointrend.results.compare import compare, references
from pointrend.results.published import load_published
from pointrend.results.run_files import selected_runs
from pointrend.results.tables import headline_sentence, next_lines
from pointrend.settings.params import typed_seeds
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    parser.add_argument("--seeds", metavar="K,K,...", help="seeds to list; default: those of params.yaml")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Compare all runs, those that were not run included."""
    log_to_file(project.log_file("compare"))
    typed = arguments.seeds
    seeds = project.params.seeds if typed is None else typed_seeds(f"--seeds {typed!r}", typed.split(","))
    scale, params = project.params.scale, project.params
    published = load_published(project.published_folder, scale)
    selected, starts = selected_runs(project, seeds, published), Starts(project.starts_folder)
    results = compare(scale, selected, published, references(params, published), starts)
    write_json(project.results_folder / RESULTS, results)
    print("\n".join((headline_sentence(results), *next_lines(results))))
