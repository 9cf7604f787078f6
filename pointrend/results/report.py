"""Writing the report, and noticing where it has drifted from the results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pointrend.errors import CheckFailed, ResultsError
from pointrend.files import write_text
from pointrend.results.markdown import render_readme, with_summary
from pointrend.results.page.carried import gather
from pointrend.results.page.render import render_page
from pointrend.results.published import Published

README, PAGE = "README.md", "index.html"
REPORT_AGAIN = "run `pointrend report`"


def report(results: Mapping[str, Any], published: Published, out: Path, runs: Path) -> None:
    """Write ``README.md`` and ``index.html`` into ``out``, the folder of results.json.

    The page also shows files from ``runs``, the folder of all runs.

    Raises:
        CheckFailed: the results were compared with other published files, or made from other files of the runs.
        ResultsError: a file of a run is neither there nor in the page as it was written before.
    """
    for name, text in _files(results, published, out, runs).items():
        write_text(out / name, text)


def check(results: Mapping[str, Any], published: Published, out: Path, runs: Path) -> None:
    """Hold the files in ``out`` against what :func:`report` would write, byte for byte.

    Raises:
        CheckFailed: one is missing or differs, or as for :func:`report`.
        ResultsError: as for :func:`report`.
    """
    for name, text in _files(results, published, out, runs).items():
        _check_text(out / name, text)


def update_readme(readme: Path, results: Mapping[str, Any]) -> None:
    """Put the short table of ``results`` between the markers of the top README.

    Raises:
        ResultsError: the README or a marker is missing.
    """
    write_text(readme, with_summary(_read(readme), results))


def check_readme(readme: Path, results: Mapping[str, Any]) -> None:
    """Hold the table in the top README against ``results``.

    Raises:
        ResultsError: the README or a marker is missing.
        CheckFailed: the table differs.
    """
    _check_text(readme, with_summary(_read(readme), results))


def _files(results: Mapping[str, Any], published: Published, out: Path, runs: Path) -> dict[str, str]:
    if results["published"] != published.hashes():
        what = f"the results were compared with another {published.file}, table or recipe than those that are there"
        raise CheckFailed(what, "run `pointrend compare`")
    carried = gather(results, runs, out / PAGE)
    return {README: render_readme(results, published), PAGE: render_page(results, published, carried)}


def _check_text(path: Path, text: str) -> None:
    if not path.is_file() or path.read_bytes() != text.encode():
        raise CheckFailed(f"{path} is not what the results say", REPORT_AGAIN)


def _read(readme: Path) -> str:
    try:
        return readme.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as problem:
        raise ResultsError(f"cannot read {readme}: {problem}", "restore it from the repository") from problem
