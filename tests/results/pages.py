"""Reading the results page without a browser."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from pointrend.files import write_text
from pointrend.results.page.carried import gather
from pointrend.results.page.render import render_page
from pointrend.results.report import check_files, report_files
from tests.results.runs import published


def page_of(results: dict[str, Any], runs: Path) -> str:
    """The page of results whose runs have their folders in ``runs``."""
    return render_page(results, published(results["scale"]), gather(results, runs, runs / "no page before"))


def report(results: dict[str, Any], out: Path, runs: Path, readme: Path | None = None) -> dict[Path, str]:
    """Write the report into ``out``; its files."""
    files = report_files(results, published(), out, runs, readme)
    for path, text in files.items():
        write_text(path, text)
    return files


def check(results: dict[str, Any], out: Path, runs: Path, readme: Path | None = None) -> None:
    check_files(report_files(results, published(), out, runs, readme))


def table_rows(markdown: str) -> list[list[str]]:
    """Cells of all table rows of a Markdown text, headings and rulers included."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line[1:-1].split(" | ")] for line in lines]


class PageReader(HTMLParser):
    """The cells of all table rows, the links, the pictures and the open tags of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "img", "input"):
            self.open.append(tag)
        values = dict(attrs)
        self.links += [str(values["href"])] if tag == "a" else []
        self.pictures += [str(values["src"])] if tag == "img" else []
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data
