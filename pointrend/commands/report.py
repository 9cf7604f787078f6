"""Write results/<scale>/README.md and index.html from results.json; at scale paper also the table in the top README.md.

--check writes nothing and fails where a page is not what the results say. --show prints the table.

examples:
  pointrend report --show
  pointrend --scale paper report --check
"""

from __future__ import annotations

import argparse
import logging

from pointrend.engines.summary import summary
from pointrend.engines.workflow import Workflow
from pointrend.logs import calling_engine, log_to_file
from pointrend.results.compare import read_results
from pointrend.results.published import load_published
from pointrend.results.report import check, check_readme, report, update_readme
from pointrend.results.terminal import terminal_table
from pointrend.settings.project import Project

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="fail where the pages have drifted from the results")
    choice.add_argument("--show", action="store_true", help="write nothing and print the table")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Write, check or show the pages of the current scale."""
    folder = project.results_folder
    results, published = read_results(folder / "results.json"), load_published(project.published_folder)
    readme = project.root / "README.md" if project.params.scale == "paper" else None
    if arguments.show:
        print(f"\n{terminal_table(results)}", end="")
    elif arguments.check:
        check(results, published, folder, project.runs_folder)
        if readme:
            check_readme(readme, results)
    else:
        log_to_file(project.log_file("report"))
        report(results, published, folder, project.runs_folder)
        if readme:
            update_readme(readme, results)
        _say_where_everything_is(project)


def _say_where_everything_is(project: Project) -> None:
    """The end of a DVC run, which has no handlers for that; Snakemake's say the same at its own end."""
    engine = calling_engine()
    if engine == "snakemake":
        return
    wanted = Workflow(project, tuple(project.params.runs), project.params.seeds)
    log.info("%s", summary(wanted, "dvc repro" if engine == "dvc" else wanted.whole_command()))
