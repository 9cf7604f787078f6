"""The published results as data, never apart from the document they were taken from.

``pointrend_table.json`` names ``pointrend.md`` and its sha256. It is used only if that document is in the
same folder, has that hash, and contains, byte for byte, the introduction and the tables that the data render to.

At scale demo our figures stand beside those in ``demo_original.json`` instead: what the original implementation gives
on the same images. ``independent.json`` has what others' implementations give, which is only shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pointrend.errors import CheckFailed, ResultsError
from pointrend.files import read_json, sha256_file
from pointrend.settings.definition import (
    DEFINITION,
    DEMO,
    ORIGINAL,
    PAPER,
    RESTORE,
    Definition,
    OriginalTraining,
    load_definition,
    load_original,
)
from pointrend.settings.validation import Strict, validated

TABLE, RETRAININGS, INDEPENDENT = "pointrend_table.json", "retrainings.csv", "independent.json"


@dataclass(frozen=True)
class Link:
    """A text and where it leads."""

    text: str
    url: str


@dataclass(frozen=True)
class PublishedRow:
    """One published result, its cells as they are printed; ``cfg``, ``model`` and ``log`` are URLs."""

    run: str
    backbone: str
    crop_size: str
    schedule: str
    sets: str
    miou: str
    cfg: str
    model: str
    log: str


@dataclass(frozen=True)
class Section:
    """The published results on one dataset."""

    heading: str
    columns: tuple[str, ...]
    rows: tuple[PublishedRow, ...]


class Independent(Strict):
    """An mIoU, as it is printed at ``url``, of a network with the backbone and dataset of ``run`` that others wrote."""

    run: str
    implementation: str
    miou: str
    recipe: str
    url: str


class IndependentTable(Strict):
    """The content of independent.json."""

    about: tuple[str, ...]
    rows: tuple[Independent, ...]


@dataclass(frozen=True)
class Figure:
    """What ours is compared with: the mean mIoU in percent over trainings, and their spread if there are several."""

    mious: tuple[float, ...]

    @property
    def mean(self) -> float:
        """In percent."""
        return fmean(self.mious)

    @property
    def spread(self) -> float | None:
        """Standard deviation in points; None for a single training."""
        return stdev(self.mious) if len(self.mious) > 1 else None

    def __str__(self) -> str:
        """As it is published, or the mean, spread and number of several trainings."""
        several = f"{self.mean:.2f} ± {self.spread:.2f} ({len(self.mious)})" if self.spread is not None else ""
        return several or f"{self.mean:.2f}%"


@dataclass(frozen=True)
class Published:
    """The published document: its file name and sha256, its introduction, its tables; and what others give."""

    file: str
    sha256: str
    links: tuple[Link, ...]
    paper: Link
    bibtex: str
    sections: tuple[Section, ...]
    data: dict[str, str]  # sha256 of the table, of the definition and of the evidence for sigma, by file name
    definition: Definition  # what a result must equal to be compared with the published number
    independent: tuple[Independent, ...]
    original: dict[str, tuple[OriginalTraining, ...]]  # by run, at scale demo; empty at the others

    def check(self, results: Mapping[str, Any]) -> None:
        """Raise CheckFailed if the results were compared with other published files."""
        if results["published"] != self.hashes():
            what = f"the results were compared with a {self.file}, table or recipe that has changed since"
            raise CheckFailed(what, "run `pointrend compare`")

    def hashes(self) -> dict[str, Any]:
        """What results.json states about the published files."""
        return {"file": self.file, "sha256": self.sha256, "data": self.data}

    def trainings(self, row: Mapping[str, Any]) -> tuple[OriginalTraining, ...]:
        """The original's trainings that a row of results.json is compared with; none at other scales than demo."""
        return self.original.get(row["run"], ()) if row["comparable"] else ()

    def miou(self, run: str) -> float | None:
        """The mIoU, in percent, that a run of ours is compared with; None where :meth:`figure` has nothing."""
        figure = self.figure(run)
        return figure.mean if figure else None

    def figure(self, run: str) -> Figure | None:
        """What a run of ours is compared with; None for a run of your own, for which nothing is published."""
        if self.original:
            trainings = self.original.get(run)
            return Figure(tuple(training.miou for training in trainings)) if trainings else None
        rows = (row for section in self.sections for row in section.rows)
        return next((Figure((float(row.miou.removesuffix("%")),)) for row in rows if row.run == run), None)


def load_published(folder: Path, scale: str = PAPER) -> Published:
    """Read what results at this scale are shown beside, and compare ``pointrend_table.json`` with the document.

    Raises:
        ResultsError: a file is missing or unreadable.
        ParamsError: a file does not have its form.
        CheckFailed: the document has another hash, or does not contain what the data state.
    """
    table = folder / TABLE
    names = (TABLE, DEFINITION, RETRAININGS, INDEPENDENT, *([ORIGINAL] if scale == DEMO else []))
    values = read_json(table, do=RESTORE)
    try:
        introduction = values["introduction"]
        published = Published(
            file=values["document"],
            sha256=values["sha256"],
            links=tuple(Link(**link) for link in introduction["links"]),
            paper=Link(**introduction["paper"]),
            bibtex=introduction["bibtex"],
            sections=TypeAdapter(tuple[Section, ...]).validate_python(values["sections"]),
            data={name: sha256_file(folder / name) for name in names},
            definition=load_definition(folder, scale),
            independent=_independent(folder).rows,
            original=load_original(folder).runs if scale == DEMO else {},
        )
    except OSError as problem:
        raise ResultsError(f"cannot read {problem.filename}: {problem.strerror}", RESTORE) from problem
    except (KeyError, TypeError, AttributeError, ValidationError) as problem:
        raise ResultsError(f"{table} is not the published table: {problem!r}", RESTORE) from problem
    document = folder / published.file
    if not document.is_file():
        raise ResultsError(f"{document} does not exist", RESTORE)
    found = sha256_file(document)
    if found != published.sha256:
        raise CheckFailed(f"{document} has sha256 {found}, but {table} names {published.sha256}", RESTORE)
    text = document.read_text(encoding="utf-8")
    tables = [f"#### {heading}\n{rows}" for heading, rows in render_tables(published).items()]
    for part in (render_introduction(published), *tables):
        if part not in text:
            place = part.partition("\n")[0]
            raise CheckFailed(f"{table} differs from {document} under {place!r}", RESTORE)
    return published


def _independent(folder: Path) -> IndependentTable:
    values = read_json(folder / INDEPENDENT, do=RESTORE)
    table: IndependentTable = validated(IndependentTable, values, f"{folder.name}/{INDEPENDENT}", RESTORE)
    return table


def render_introduction(published: Published) -> str:
    """The document's introduction, byte for byte: links, paper, BibTeX."""
    links = "\n\n".join(f'<a href="{link.url}">{link.text}</a>' for link in published.links)
    summary = f'<summary align="left"><a href="{published.paper.url}">{published.paper.text}</a></summary>'
    bibtex = f"```latex\n{published.bibtex}\n```"
    return f"## Introduction\n\n{links}\n\n<details>\n{summary}\n\n{bibtex}\n\n</details>\n"


def render_tables(published: Published) -> dict[str, str]:
    """The document's result tables by section heading, byte for byte.

    A column is as wide as its longest cell, and wider than its heading. All tables share the widths of their columns
    but the last, which every table has for itself.
    """
    tables = [(section.heading, [section.columns, *map(_cells, section.rows)]) for section in published.sections]
    shared = column_widths([row for _, rows in tables for row in rows])
    rendered = {}
    for heading, rows in tables:
        widths = [*shared[:-1], column_widths(rows)[-1]]
        rendered[heading] = render_rows(rows, widths)
    return rendered


def column_widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Widths of the columns of rows of cells, the first of which is the heading."""
    heading = rows[0]
    return [max(len(title) + 1, *(len(row[i]) for row in rows)) for i, title in enumerate(heading)]


def render_rows(rows: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    """A Markdown table of centred columns; the first row is the heading."""
    heading, *others = rows
    lines = [heading, [":-:"] * len(widths), *others]
    padded = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in padded)


def _cells(row: PublishedRow) -> list[str]:
    links = {"cfg": row.cfg, "model": row.model, "log": row.log}
    download = " &#124; ".join(f"[{text}]({url})" for text, url in links.items())
    return [row.backbone, row.crop_size, row.schedule, row.sets, row.miou, download]
