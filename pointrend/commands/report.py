"""Write README.md, index.html, results.csv, classes.csv and metrics.json beside results.json.

At scale paper also the table in the top README.md. --check writes nothing and fails if a file differs from the
results. --show prints the table, --latex the one of the top README.md for LaTeX.

examples:
  pointrend report --show
  pointrend --scale paper report --check
  pointrend --scale paper report --latex
"""

from __future__ import annotations

import argparse
import logging

from pointrend.engines.summary import summary
from pointrend.engines.workflow import Workflow
from pointrend.files import write_text
from pointrend.logs import calling_engine, log_to_file
from pointrend.results.compare import read_results
from pointrend.results.frames import MIOU, miou_json
from pointrend.results.published import load_published
from pointrend.results.report import (
    check_files,
    latex_table,
    report_files,
    terminal_table,
    top_readme,
)
from pointrend.settings.project import Project

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="fail if a file differs from the results")
    choice.add_argument("--show", action="store_true", help="write nothing and print the table")
    choice.add_argument("--latex", action="store_true", help="write nothing and print a LaTeX table (package booktabs)")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Write, check or show the results of the current scale."""
    results = read_results(project.results_folder / "results.json")
    published = load_published(project.published_folder, project.params.scale)
    if arguments.show or arguments.latex:
        published.check(results)
        print(latex_table(results, published) if arguments.latex else f"\n{terminal_table(results, published)}", end="")
        return
    folder, runs = project.results_folder, project.runs_folder
    files = report_files(results, published, folder, runs, top_readme(project))
    if arguments.check:
        check_files(files)
        return
    log_to_file(project.log_file("report"))
    for path, text in files.items():
        write_text(path, text)
    write_text(folder / MIOU, miou_json(results))
    engine = calling_engine()
    if engine != "snakemake":  # its handlers print the summary at the end of a run; DVC has none
        wanted = Workflow(project, tuple(project.params.runs), project.params.seeds)
        log.info("%s", summary(wanted, "dvc repro" if engine == "dvc" else wanted.whole_command()))
