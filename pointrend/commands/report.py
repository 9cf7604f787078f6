"""Write results/<scale>/README.md and index.html from results.json; at scale paper also the table in the top README.md.

--check writes nothing and fails if a page differs from the results. --show prints the table.

examples:
  pointrend report --show
  pointrend --scale paper report --check
"""

from __future__ import annotations

import argparse
import logging

from pointrend.engines.summary import summary
from pointrend.engines.workflow import Workflow
from pointrend.files import write_text
from pointrend.logs import calling_engine, log_to_file
from pointrend.results.compare import read_results
from pointrend.results.published import load_published
from pointrend.results.report import check_files, check_published, report_files, terminal_table, top_readme
from pointrend.settings.project import Project

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="fail if a page differs from the results")
    choice.add_argument("--show", action="store_true", help="write nothing and print the table")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Write, check or show the pages of the current scale."""
    results = read_results(project.results_folder / "results.json")
    published = load_published(project.published_folder, project.params.scale)
    if arguments.show:
        check_published(results, published)
        print(f"\n{terminal_table(results, published)}", end="")
        return
    folder, runs = project.results_folder, project.runs_folder
    files = report_files(results, published, folder, runs, top_readme(project))
    if arguments.check:
        check_files(files)
        return
    log_to_file(project.log_file("report"))
    for path, text in files.items():
        write_text(path, text)
    engine = calling_engine()
    if engine != "snakemake":  # its handlers print the summary at the end of a run; DVC has none
        wanted = Workflow(project, tuple(project.params.runs), project.params.seeds)
        log.info("%s", summary(wanted, "dvc repro" if engine == "dvc" else wanted.whole_command()))
