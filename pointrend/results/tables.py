"""The tables and sentences of the report, before they become Markdown, HTML or lines of a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pointrend.datasets.registry import classes_of
from pointrend.results.published import Link, Published, PublishedRow
from pointrend.settings.definition import DEMO

Cell = str | tuple[Link, ...]
Row = Mapping[str, Any]  # a row of results.json

NOTHING = "–"
EVIDENCE = ("inputs", "log", "released", "one-seed", "seeds")  # from the weakest to the strongest (docs/verdicts.md)

COMPARABLE_SENTENCE = "The published recipe on the official data, unless a row says otherwise."
NOT_COMPARABLE_SENTENCE = "These figures cannot be compared with the published ones."
SCALE_SENTENCES = {
    DEMO: " The demo trains thin networks from scratch, for minutes, on images that the project draws itself: these say"
    " nothing about the six published numbers. They are compared with what the original implementation gives on the"
    " same images with the same recipe: the mean, the standard deviation and the number of its trainings.",
    "pilot": " The pilot trains the real network on the first images of each split with a shortened schedule: it"
    " shows that everything is in place before GPU weeks are spent.",
}
VERDICT_SENTENCES = {
    "not run": "nothing has been trained or downloaded with this setting, or it has not been scored",
    "not comparable": "scored, but not with the recipe, data and code that the published number stands for; no"
    " difference is given",
    "unverified": "the files of the run contradict each other; no figure is taken from them",
    "matches": "the released weights score the published number under our evaluation, to within 0.02 points: it is what"
    " these weights give",
    "close": "the released weights score within 0.05 points of the published number, but not within 0.02: some images"
    " were treated differently; find the cause",
    "differs": "the released weights score more than 0.05 points from the published number: other weights, or another"
    " protocol",
    "consistent": "one training, as near to the published number as two trainings of one recipe are to each other;"
    " this does not reproduce it",
    "reproduced": "chance explains the difference from the published number, which is shown to be smaller than one"
    " point",
    "insufficient": "chance explains the difference from the published number, but too few seeds, or too scattered"
    " ones, leave a difference of one point possible",
    "below": "further below the published number than chance explains at 95 %",
    "above": "further above the published number than chance explains at 95 %: audit the protocol first",
}
OVERVIEW_SENTENCE = (
    "One line per run. Figures are in percent; the difference is ours minus published, in percentage points, ± the"
    " reach of chance over seeds at 95 %."
)
COLUMNS_SENTENCE = "The columns up to “Download” repeat the published table with its links; those after it are ours."
ORIGINAL_SENTENCE = (
    "“mIoU (original)” is the mean over the original's trainings ± their standard deviation, with their number; the"
    " columns after it are ours."
)
RELEASED_SENTENCE = (
    "Rows whose seed is “released” are the weights that were published, scored by our evaluation: nothing was trained,"
    " and no chance is left in them."
)
FILES_SENTENCE = (
    "The settings, weights and logs of our runs do not travel with this page. This command makes them, in runs/{0}/:"
    " snakemake --cores all --config scale={0}"
)
STRIDE_SENTENCE = (  # not for the demo, whose tables do not have the label
    "* The published label. The code that made the published numbers has output stride 32, whatever the labels “D8” and"
    " “os8” say."
)
CERTAINTY_SENTENCE = (
    "The interval over seeds shows how far a further training would differ from the published number, in points (95 %,"
    " over all looks at the planned seeds): It contains 0 where the verdict is neither below nor above. Sigma is the"
    " standard deviation over seeds. The interval over images is a different one: how far the mIoU of the same weights"
    " would move with other validation images, by a bootstrap."
)
PAIRED_SENTENCE = (
    "Our weights and the released ones on the same images, both resampled together: how far the difference of the two"
    " mIoU would move with other validation images, in points, by a bootstrap."
)
INDEPENDENT_SENTENCE = (
    "What PointRends that others wrote and trained give on the same validation images, as their own tables print it."
    " Their recipes differ, so these figures are part of no verdict."
)
REFINEMENT_SENTENCE = (
    "Scores of the coarse prediction and of the one with refined points. Boundary IoU (Cheng et al., CVPR 2021) looks"
    " only at a band along the outlines."
)


@dataclass(frozen=True)
class Table:
    """A heading, column titles, rows of cells, and a sentence on how to read it."""

    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    sentence: str = ""


def comparable(results: Mapping[str, Any]) -> bool:
    """Whether any figure may be compared with the published one, which no figure of the demo may."""
    return results["scale"] not in SCALE_SENTENCES and any(row["comparable"] for row in results["runs"])


def of_theirs(scale: str, words: str) -> str:
    """``words`` on the published number, which at scale demo is the mean of the original's trainings."""
    return words.replace("published", "original") if scale == DEMO else words


def theirs(published: Published, run: str) -> str:
    """The figure that ours is compared with."""
    return str(published.figure(run) or NOTHING)


def scale_sentence(results: Mapping[str, Any]) -> str:
    """What the figures are good for; the first thing that a reader must know."""
    if not comparable(results):
        return NOT_COMPARABLE_SENTENCE + SCALE_SENTENCES.get(results["scale"], "")
    trained, released = (
        [row["miou"] is not None for row in results["runs"] if row["kind"] == kind] for kind in ("trained", "released")
    )
    weights = f", and {sum(released)} of {len(released)} released weights" if released else ""
    return f"{COMPARABLE_SENTENCE} {sum(trained)} of {len(trained)} runs are scored{weights}."


def headline_sentence(results: Mapping[str, Any]) -> str:
    """How many of the published numbers are reproduced, over all runs at once (docs/verdicts.md)."""
    of, whose = results["headline"], " means of the original" if results.get("scale") == DEMO else ""
    several = {row["run"] for row in results["runs"] if row["kind"] == "seeds"}
    single = {row["run"] for row in results["runs"] if row["verdict"] == "consistent"} - several
    too_few = f"; {len(single)} with one training each, too few to tell" if single else ""
    return f"{of['reproduced']} of {of['runs']}{whose} reproduced, {of['below or above']} below or above{too_few}"


def next_lines(results: Mapping[str, Any]) -> list[str]:
    """What to do next about each run that has a verdict as a whole."""
    rows = results["runs"]
    planned = Counter(row["run"] for row in rows if row["kind"] == "trained")
    planned |= {row["run"]: len(row["sealed"]["seeds"]) for row in rows if row["sealed"]}
    whole = (row for row in rows if row["kind"] == "seeds")
    return [
        f"{row['run']}, {row['n']} of {planned[row['run']]} seeds: {row['verdict']}, {row['next']}" for row in whole
    ]


def columns_sentence(results: Mapping[str, Any]) -> str:
    """How to read the result tables."""
    return ORIGINAL_SENTENCE if results["scale"] == DEMO else COLUMNS_SENTENCE


def files_sentence(results: Mapping[str, Any]) -> str:
    """How to make the files of our runs, to which no table has a link: they are not under version control."""
    return FILES_SENTENCE.format(results["scale"])


def rows_by_run(results: Mapping[str, Any]) -> dict[str, list[Row]]:
    """The rows of results.json by run, in their order."""
    rows: dict[str, list[Row]] = {}
    for row in results["runs"]:
        rows.setdefault(row["run"], []).append(row)
    return rows


def result_tables(results: Mapping[str, Any], published: Published) -> list[Table]:
    """The published tables, one per dataset, with their links and our columns; one row per run.

    At scale demo, the original's figures replace the published columns. Runs for which nothing is published follow in
    a table of their own.
    """
    rows, tables, demo = rows_by_run(results), [], results["scale"] == DEMO
    for section in published.sections:
        columns = ("Run", "mIoU (original)") if demo else section.columns
        cells = (
            (
                *((row.run, theirs(published, row.run)) if demo else _published_cells(row)),
                *trained_cells(rows.pop(row.run, []))[::2],
            )
            for row in section.rows
        )
        tables.append(Table(section.heading, (*columns, *_OUR_COLUMNS), tuple(cells)))
    others = tuple((run, *trained_cells(own)[::2]) for run, own in rows.items())
    return [*tables, Table("Other runs", ("Run", *_OUR_COLUMNS), others)] if others else tables


def explained_tables(results: Mapping[str, Any], published: Published) -> dict[str, Table]:
    """The tables that a sentence explains, by the name of their section; a table without rows is left out."""
    rows, sentence = results["runs"], of_theirs(results["scale"], CERTAINTY_SENTENCE)
    released = {row["run"]: row["miou"] for row in rows if row["kind"] == "released"}
    certainty: Columns = {
        **_RUN,
        "Trainings (n)": lambda row: str(row["n"]),
        "Sigma": lambda row: _formatted("{:.2f}", row["sigma"]),
        "Source of sigma": lambda row: row["sigma_source"] or NOTHING,
        "Difference (seeds)": lambda row: _formatted("{:+z.2f} to {:+z.2f}", row["interval"]),
        "mIoU (images)": lambda row: _formatted("{:.2f}% to {:.2f}%", row["image_interval"]),
        "Verdict": lambda row: row["verdict"],
    }
    paired: Columns = {
        **_RUN,
        "Ours": lambda row: percent(row["miou"]),
        "Released": lambda row: percent(released[row["run"]]),
        "Ours minus released": lambda row: signed(row["miou"] - released[row["run"]]),
        "Interval (images)": lambda row: _formatted("{:+z.2f} to {:+z.2f}", row["paired_interval"]),
    }
    refinement: Columns = {
        **_RUN,
        "Images": lambda row: str(row["measures"]["n_images"]),
        "mIoU (coarse)": lambda row: percent(row["measures"]["coarse"]["miou"]),
        "mIoU (refined)": lambda row: percent(row["miou"]),
        "Boundary IoU (coarse)": lambda row: percent(row["measures"]["coarse"]["boundary_iou"]),
        "Boundary IoU (refined)": lambda row: percent(row["measures"]["boundary_iou"]),
        "Pixel accuracy": lambda row: percent(row["measures"]["all_accuracy"]),
    }
    explained = {
        "certainty": ("How certain the figures are", certainty, "miou", sentence),
        "paired": ("Our weights against the released ones", paired, "paired_interval", PAIRED_SENTENCE),
        "refinement": ("Refinement", refinement, "measures", REFINEMENT_SENTENCE),
    }
    tables = {
        name: _table(heading, columns, _having(key, rows), sentence)
        for name, (heading, columns, key, sentence) in explained.items()
    }
    if results["scale"] != DEMO:
        tables["independent"] = _independent_table(published)
    return {name: table for name, table in tables.items() if table.rows}


def _independent_table(published: Published) -> Table:
    columns = ("Run", "Published", "Implementation", "mIoU", "Recipe", "Source")
    rows = (
        (one.run, theirs(published, one.run), one.implementation, f"{one.miou}%", one.recipe, (Link("table", one.url),))
        for one in published.independent
    )
    return Table("Other implementations", columns, tuple(rows), INDEPENDENT_SENTENCE)


def overview_table(results: Mapping[str, Any], published: Published) -> Table:
    """One row per run: what training and what the released weights gave, and the strongest evidence."""
    scale, columns = results["scale"], ["Run", "Published", "Trained", "Difference", "Verdict"]
    with_released = bool(_of_kind("released", results["runs"]))
    columns += ["Released", "Verdict"] if with_released else []
    rows = []
    for run, own in rows_by_run(results).items():
        released = _released_cells(_of_kind("released", own)) if with_released else ()
        evidence = max(
            (row["evidence"] for row in own), key=lambda kind: EVIDENCE.index(kind) if kind in EVIDENCE else -1
        )
        rows.append((run_title(own[0]), theirs(published, run), *trained_cells(own), *released, evidence))
    columns[1] = of_theirs(scale, "published").capitalize()
    return Table("Results", (*columns, "Evidence"), tuple(rows), of_theirs(scale, OVERVIEW_SENTENCE))


def _released_cells(rows: Sequence[Row]) -> tuple[str, str]:
    """The mIoU with its difference, and the verdict, in two narrow columns: the table has to fit a README."""
    miou, points, verdict = _joined(rows)
    return miou if points == NOTHING else f"{miou} ({points})", verdict


def summary_table(results: Mapping[str, Any], published: Published) -> Table:
    """One short row per figure."""
    heading = of_theirs(results["scale"], "published").capitalize()
    columns: Columns = {"Run": _RUN["Run"], heading: lambda row: theirs(published, row["run"])}
    ours = dict(zip(("Seed", "Ours", "Difference", "Verdict"), _OURS, strict=True))
    return _table("Results", {**columns, **ours}, results["runs"])


def figures_table(rows: Sequence[Row]) -> Table:
    """One row per seed, mean over seeds, and released weights."""
    columns: Columns = {
        **_RUN,
        "Output stride": lambda row: str(row["setting"]["recipe"]["output_stride"]),
        **dict(zip(("mIoU", "Difference", "Verdict"), _OURS[1:], strict=True)),
        "Evidence": lambda row: row["evidence"],
    }
    if _of_kind("released", rows):
        return _table("Seeds and released weights", columns, rows, RELEASED_SENTENCE)
    return _table("Seeds", columns, rows)


def verdict_sentences(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The verdicts that occur and what they mean."""
    occurring = {row["verdict"] for row in results["runs"]}
    return [(word, of_theirs(results["scale"], text)) for word, text in VERDICT_SENTENCES.items() if word in occurring]


def reason_lines(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Why rows have no better verdict: the names of rows, and all reasons that hold for exactly these."""
    rows_of: dict[str, list[str]] = {}
    for row in results["runs"]:
        for reason in row["reasons"]:
            rows_of.setdefault(reason, []).append(row_name(row))
    reasons_of: dict[str, list[str]] = {}
    for reason, rows in rows_of.items():
        everywhere = len(rows) == len(results["runs"])
        reasons_of.setdefault("all runs" if everywhere else ", ".join(rows), []).append(reason)
    return [(rows, "; ".join(reasons)) for rows, reasons in reasons_of.items()]


def run_title(row: Row) -> str:
    """Dataset and backbone of a row's run in the field's words."""
    setting = row["setting"]
    return f"{classes_of(setting['dataset']).title}, ResNet-{setting['depth']}"


def dataset_title(results: Mapping[str, Any], row: Row) -> str:
    """The images that a row's run is trained on and scored with."""
    title = classes_of(row["setting"]["dataset"]).title
    return f"images drawn in the style of {title}" if results["scale"] == DEMO else title


def row_name(row: Row) -> str:
    """The name of a row of results.json for readers."""
    return f"{row['run']} ({_seed(row)})" if row["seed"] is None else f"{row['run']} (seed {row['seed']})"


def percent(value: float | None) -> str:
    """A figure as the published table prints it."""
    return _formatted("{:.2f}%", value)


def signed(value: float | None) -> str:
    """A difference in percentage points."""
    return _formatted("{:+z.2f}", value)


def _formatted(form: str, value: float | Sequence[float] | None) -> str:
    if value is None:
        return NOTHING
    return form.format(*(value if isinstance(value, Sequence) else [value])).replace("-", "−")


def _seed(row: Row) -> str:
    names = {"seeds": f"mean of {row['n']}", "released": "released"}
    return names.get(row["kind"], str(row["seed"]))


def difference(row: Row) -> str:
    """A row's difference in points, with the reach of chance where that is known."""
    points = signed(row["difference"])
    if row["difference"] is None or row["interval"] is None:
        return points
    low, high = row["interval"]
    return f"{points} ± {(high - low) / 2:.2f}"


Columns = dict[str, Callable[[Row], Cell]]  # the cell of a row, by column title
_RUN: Columns = {"Run": lambda row: row["run"], "Seed": _seed}
_OURS: tuple[Callable[[Row], str], ...] = (
    *(_seed, lambda row: percent(row["miou"])),
    *(difference, lambda row: row["verdict"]),
)
_OUR_COLUMNS = ("mIoU (ours)", "Verdict")


def _table(heading: str, columns: Columns, rows: Iterable[Row], sentence: str = "") -> Table:
    cells = (tuple(cell(row) for cell in columns.values()) for row in rows)
    return Table(heading, tuple(columns), tuple(cells), sentence)


def _having(key: str, rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row[key] is not None]


def _published_cells(row: PublishedRow) -> tuple[Cell, ...]:
    links = Link("cfg", row.cfg), Link("model", row.model), Link("log", row.log)
    return f"{row.backbone}*", row.crop_size, row.schedule, row.sets, row.miou, links


def trained_cells(rows: Sequence[Row]) -> tuple[str, str, str]:
    """mIoU, difference and verdict of the trainings of one run."""
    trained = _judged(rows)
    return _joined(trained) if trained else (NOTHING, NOTHING, "not run")


def seeds_text(rows: Sequence[Row]) -> str:
    """What :func:`trained_cells` are of; empty where nothing is scored."""
    return ", ".join(
        _seed(row) if row["seed"] is None else f"seed {row['seed']}" for row in _having("miou", _judged(rows))
    )


def _judged(rows: Sequence[Row]) -> list[Row]:
    """Those of one run's trainings; the row of all its seeds, if there is one, replaces those of single seeds."""
    return _of_kind("seeds", rows) or _of_kind("trained", rows)


def _of_kind(kind: str, rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row["kind"] == kind]


def _joined(rows: Sequence[Row]) -> tuple[str, str, str]:
    """mIoU, difference and verdict of the rows that are scored, or else why none is."""
    scored = _having("miou", rows)
    verdicts = dict.fromkeys(row["verdict"] for row in scored or rows)
    texts = ([percent(row["miou"]) for row in scored], map(difference, scored), verdicts)
    mious, differences, words = (", ".join(text) or NOTHING for text in texts)
    return mious, differences, words
