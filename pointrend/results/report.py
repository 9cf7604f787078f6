"""The report: the pages and tables of a scale, the table in the top README, and the table for a terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pointrend.errors import CheckFailed, ResultsError
from pointrend.results import tables
from pointrend.results.frames import classes_csv, latex, results_csv
from pointrend.results.page.carried import gather
from pointrend.results.page.parties import countersigned
from pointrend.results.page.render import render_page
from pointrend.results.published import Published, column_widths, render_introduction, render_rows
from pointrend.results.tables import Cell, Table
from pointrend.settings.definition import DEMO
from pointrend.settings.project import Project
from pointrend.terminal import WIDTH
from pointrend.terminal import table as terminal

README, PAGE, TABLE, CLASSES = "README.md", "index.html", "results.csv", "classes.csv"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"


def top_readme(project: Project) -> Path | None:
    """The top README, where it shows the results of the current scale."""
    return project.root / README if project.params.scale == "paper" else None


def report_files(
    results: Mapping[str, Any], published: Published, out: Path, runs: Path, readme: Path | None = None
) -> dict[Path, str]:
    """The README, page and CSV files in ``out``, the folder of results.json, and ``readme`` with the short table.

    The page also shows files from ``runs``, the folder of all runs.

    Raises:
        CheckFailed: the results were compared with other published files, or made from other files of the runs.
        ResultsError: a file of a run exists neither there nor in the page as it was written before; or the README or
            one of its markers is missing.
    """
    published.check(results)
    carried = gather(results, runs, out / PAGE) | countersigned(out)
    files = {
        out / README: render_readme(results, published),
        out / PAGE: render_page(results, published, carried),
        out / TABLE: results_csv(results),
        out / CLASSES: classes_csv(results, carried),
    }
    if readme is not None:
        try:
            files[readme] = with_summary(readme.read_bytes().decode(), render_summary(results, published))
        except (OSError, UnicodeDecodeError) as problem:
            raise ResultsError(f"cannot read {readme}: {problem}", "restore it from the repository") from problem
    return files


def check_files(files: Mapping[Path, str]) -> None:
    """Raise CheckFailed if one of the ``files`` is missing or differs from this text, byte for byte."""
    for path, text in files.items():
        if not path.is_file() or path.read_bytes() != text.encode():
            raise CheckFailed(f"{path} does not match the results", "run `pointrend report`")


def render_readme(results: Mapping[str, Any], published: Published) -> str:
    """The whole results/<scale>/README.md, in the form of the published tables."""
    sections = [
        f"# PointRend: results at scale {_text(results['scale'])}\n",
        f"**{tables.headline_sentence(results)}**\n",
        f"> **{_text(tables.scale_sentence(results))}**\n",
        render_introduction(published),
        _section(tables.overview_table(results, published)),
        f"{tables.columns_sentence(results)}\n",
        *(f"#### {table.heading}\n{_table(table)}" for table in tables.result_tables(results, published)),
        "" if results["scale"] == DEMO else f"{_text(tables.STRIDE_SENTENCE)}\n",
        f"{_text(tables.files_sentence(results))}\n",
        _list("Verdicts", tables.verdict_sentences(results)),
        _list("Reasons", tables.reason_lines(results)),
        *map(_section, (tables.figures_table(results["runs"]), *tables.explained_tables(results, published).values())),
        f"## Evidence\n\nMade from [results.json](results.json) (sha256 `{results['sha256']}`) and the published"
        f" document {published.file} (sha256 `{published.sha256}`). [results.csv](results.csv) has the figures and"
        " [classes.csv](classes.csv) the IoU of every class.\n",
    ]
    return "\n".join(filter(None, sections))


def render_summary(results: Mapping[str, Any], published: Published) -> str:
    """The short table of the top README, one line per run."""
    return _table(tables.overview_table(results, published))


def with_summary(readme: str, summary: str) -> str:
    """A README's text with ``summary`` between its markers.

    Raises:
        ResultsError: the two markers do not occur exactly once and in order.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in before + after:
        what = "the README does not have its results markers exactly once and in order"
        raise ResultsError(what, f"put {BEGIN} before the table and {END} after it")
    return f"{before}{BEGIN}\n{summary}{END}{after}"


def latex_table(results: Mapping[str, Any], published: Published) -> str:
    """The short table, one line per run."""
    return latex(tables.overview_table(results, published))


def terminal_table(results: Mapping[str, Any], published: Published) -> str:
    """One line per run, between what the figures are good for and what the verdicts mean."""
    table = tables.summary_table(results, published)
    # The first and the last column are words, the others are figures.
    lines = terminal([table.columns, *table.rows], f"<{'>' * (len(table.columns) - 2)}<")
    meanings = (textwrap.fill(f"{word}: {text}", WIDTH) for word, text in tables.verdict_sentences(results))
    return "\n".join((textwrap.fill(tables.scale_sentence(results), WIDTH), "", lines, "", *meanings)) + "\n"


def _list(heading: str, lines: list[tuple[str, str]]) -> str:
    items = "".join(f"- {_text(name)} – {_text(text)}\n" for name, text in lines)
    return f"**{heading}**\n\n{items}" if items else ""


def _section(table: Table) -> str:
    return "\n\n".join(filter(None, (f"## {table.heading}", table.sentence, _table(table))))


def _table(table: Table) -> str:
    rows = [list(table.columns), *([_cell(cell) for cell in row] for row in table.rows)]
    return render_rows(rows, column_widths(rows))


def _cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return _text(cell)
    return " &#124; ".join(f"[{_text(link.text)}]({link.url})" for link in cell)


def _text(text: str) -> str:
    """``text`` without meaning to Markdown."""
    return re.sub(r"([\\|*<>`\[\]])", r"\\\1", " ".join(text.split()))
