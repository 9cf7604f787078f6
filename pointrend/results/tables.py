"""What the report says, as tables and sentences that are neither Markdown nor HTML yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pointrend.results.published import Link, Published, PublishedRow, Section

Cell = str | tuple[Link, ...]
Row = Mapping[str, Any]
"""A row of results.json."""

NOTHING = "–"
EVIDENCE = ("inputs", "log", "released", "one-seed", "seeds")
"""What a figure can rest on, from the weakest to the strongest; docs/verdicts.md."""
DOWNLOADS = {
    "trained": {"cfg": "train.json", "model": "model.safetensors", "log": "metrics.jsonl"},
    "released": {"scores": "metrics.json"},
}
"""Links of a scored row, by kind: text and file in the run's folder."""

COMPARABLE_SENTENCE = "The published recipe on the official data, unless a row says otherwise."
NOT_COMPARABLE_SENTENCE = "These figures cannot be compared with the published ones."
SCALE_SENTENCES = {
    "demo": " The demo trains thin networks from scratch, for minutes, on pictures that the project draws itself: it"
    " shows that every step works, not how well PointRend segments.",
    "pilot": " The pilot trains the real network on the first pictures of each split with a shortened schedule: it"
    " shows that everything is in place before GPU weeks are spent.",
}
VERDICT_SENTENCES = {
    "not run": "nothing has been trained or downloaded with this setting, or it has not been scored",
    "not comparable": "scored, but not with the published recipe on the official data; no difference is given",
    "unverified": "the files of the run contradict each other; no figure is taken from them",
    "matches": "the released weights score the published number under our evaluation, to within 0.02 points: it is what"
    " these weights give",
    "close": "the released weights score within 0.05 points of the published number, but not within 0.02: some images"
    " were treated otherwise, and the cause is to be found",
    "differs": "the released weights score more than 0.05 points from the published number: other weights, or another"
    " protocol",
    "consistent": "one training, as near to the published number as two trainings of one recipe are to each other;"
    " this does not reproduce it",
    "reproduced": "the published number lies in the band of a future single training, and the difference is shown to"
    " be smaller than one point",
    "insufficient": "the published number lies in the band of a future single training, but too few seeds, or too"
    " scattered ones, leave a difference of one point possible",
    "below": "further below the published number than chance explains at 95 %",
    "above": "further above the published number than chance explains at 95 %: the protocol is to be audited first",
}
COLUMNS_SENTENCE = (
    "The columns up to “mIoU (published)” repeat the published table; those after it are ours. Figures are in percent;"
    " the difference is ours minus published, in percentage points, ± the reach of chance over seeds at 95 %."
)
RELEASED_SENTENCE = (
    "Rows whose seed is “released” are the weights that were published, scored by our evaluation: nothing was trained,"
    " and no chance is left in them."
)
STRIDE_SENTENCE = (
    "* The published label. The code that made the published numbers has output stride 32, whatever the labels “D8” and"
    " “os8” say; the output stride of our network is given beside it."
)
CERTAINTY_SENTENCE = (
    "The interval over seeds says how far another training would differ from the published number, in points, at 95 %:"
    " 0 lies in it where the verdict is neither below nor above. Sigma is the standard deviation over seeds. The"
    " interval over images is another one: it says how far the mIoU of the same weights would move with other"
    " validation images, by a bootstrap."
)
PAIRED_SENTENCE = (
    "Our weights and the released ones on the same images, both resampled together: how far the difference of the two"
    " mIoU would move with other validation images, in points, by a bootstrap."
)
REFINEMENT_SENTENCE = (
    "Scores of the coarse prediction and of the one with refined points. Boundary IoU (Cheng et al., CVPR 2021) looks"
    " only at a band along the outlines."
)


@dataclass(frozen=True)
class Table:
    """A heading, column titles, and rows of cells."""

    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def comparable(results: Mapping[str, Any]) -> bool:
    """Whether any figure may be held against the published one."""
    return any(row["comparable"] for row in results["runs"])


def scale_sentence(results: Mapping[str, Any]) -> str:
    """What the figures are good for; the first thing that a reader must know."""
    if not comparable(results):
        return NOT_COMPARABLE_SENTENCE + SCALE_SENTENCES.get(results["scale"], "")
    trained, released = (
        [row["miou"] is not None for row in results["runs"] if row["kind"] == kind] for kind in ("trained", "released")
    )
    weights = f", and {sum(released)} of {len(released)} released weights" if released else ""
    return f"{COMPARABLE_SENTENCE} {sum(trained)} of {len(trained)} runs are scored{weights}."


def columns_sentence(results: Mapping[str, Any]) -> str:
    """How the result tables are to be read."""
    has_released = any(row["kind"] == "released" for row in results["runs"])
    return f"{COLUMNS_SENTENCE} {RELEASED_SENTENCE}" if has_released else COLUMNS_SENTENCE


def result_tables(results: Mapping[str, Any], published: Published) -> list[Table]:
    """The published tables, one a dataset, with our columns; a published row without a result of ours stays.

    Runs for which nothing is published follow in a table of their own.
    """
    tables = [_section_table(results, section) for section in published.sections]
    known = {row.run for section in published.sections for row in section.rows}
    others = [row for row in results["runs"] if row["run"] not in known]
    return [*tables, _others_table(results["scale"], others)] if others else tables


def refinement_table(results: Mapping[str, Any]) -> Table:
    """What refining points changed, one row a scored run."""
    figures = ("mIoU (coarse)", "mIoU (refined)", "Boundary IoU (coarse)", "Boundary IoU (refined)", "Pixel accuracy")
    columns = ("Run", "Seed", "Images", *figures)
    scored = [row for row in results["runs"] if row["measures"] is not None]
    return Table("Refinement", columns, tuple(_refinement_cells(row) for row in scored))


def certainty_table(results: Mapping[str, Any]) -> Table:
    """What every verdict rests on, one row a figure."""
    figures = ("Trainings (n)", "Sigma", "Source of sigma", "Difference (seeds)", "mIoU (images)")
    columns = ("Run", "Seed", *figures, "Verdict")
    scored = [row for row in results["runs"] if row["miou"] is not None]
    return Table("How certain the figures are", columns, tuple(_certainty_cells(row) for row in scored))


def paired_table(results: Mapping[str, Any]) -> Table:
    """Trained and released weights on the same images, one row a training that can be held against a release."""
    columns = ("Run", "Seed", "Ours", "Released", "Ours minus released", "Interval (images)")
    released = {row["run"]: row["miou"] for row in results["runs"] if row["kind"] == "released"}
    rows = [row for row in results["runs"] if row["paired_interval"] is not None]
    heading = "Our weights against the released ones"
    return Table(heading, columns, tuple(_paired_cells(row, released[row["run"]]) for row in rows))


def overview_table(results: Mapping[str, Any]) -> Table:
    """One row a run: what training and what the released weights gave, and the strongest evidence that there is."""
    columns = ("Run", "Published", "Trained", "Difference", "Verdict")
    released = ("Released", "Difference", "Verdict", "Evidence")
    runs = dict.fromkeys(row["run"] for row in results["runs"])
    rows = (_overview_cells([row for row in results["runs"] if row["run"] == run]) for run in runs)
    return Table("Results", (*columns, *released), tuple(rows))


def summary_table(results: Mapping[str, Any]) -> Table:
    """One short row a figure."""
    columns = ("Run", "Published", "Seed", "Ours", "Difference", "Verdict")
    rows = ((row["run"], percent(row["published_miou"]), *_our_cells(row)) for row in results["runs"])
    return Table("Results", columns, tuple(rows))


def verdict_sentences(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The verdicts that occur and what they mean."""
    occurring = {row["verdict"] for row in results["runs"]}
    return [(verdict, text) for verdict, text in VERDICT_SENTENCES.items() if verdict in occurring]


def reason_lines(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Why rows are no better than they are: the rows, and all reasons that hold for exactly these."""
    rows_of: dict[str, list[str]] = {}
    for row in results["runs"]:
        for reason in row["reasons"]:
            rows_of.setdefault(reason, []).append(row_name(row))
    reasons_of: dict[str, list[str]] = {}
    for reason, rows in rows_of.items():
        everywhere = len(rows) == len(results["runs"])
        reasons_of.setdefault("all runs" if everywhere else ", ".join(rows), []).append(reason)
    return [(rows, "; ".join(reasons)) for rows, reasons in reasons_of.items()]


def row_name(row: Row) -> str:
    """What a row of results.json is called."""
    return f"{row['run']} ({_seed(row)})" if row["seed"] is None else f"{row['run']} (seed {row['seed']})"


def folder_name(row: Row) -> str:
    """Name of the folder in ``runs/<scale>/`` with the files of a row; a row of kind ``seeds`` has none of its own."""
    return f"{row['run']}-{'released' if row['kind'] == 'released' else 's' + str(row['seed'])}"


def run_folder(scale: str, row: Row) -> str:
    """Folder of a trained run, or of scored released weights, as seen from ``results/<scale>/``."""
    return f"../../runs/{scale}/{folder_name(row)}"


def percent(value: float | None) -> str:
    """A figure as the published table prints it."""
    return NOTHING if value is None else f"{value:.2f}%"


def _section_table(results: Mapping[str, Any], section: Section) -> Table:
    ours_columns = ("Output Stride", "Seed", "mIoU (ours)", "Difference", "Verdict")
    columns = (*section.columns[:4], "mIoU (published)", *ours_columns, section.columns[-1])
    rows = []
    for published_row in section.rows:
        ours = [row for row in results["runs"] if row["run"] == published_row.run]
        rows += [(*_published_cells(published_row), *_result_cells(results["scale"], row)) for row in ours]
        if not ours:
            rows.append((*_published_cells(published_row), *[NOTHING] * 4, "not run", NOTHING))
    return Table(section.heading, columns, tuple(rows))


def _others_table(scale: str, rows: Sequence[Row]) -> Table:
    columns = ("Run", "Output Stride", "Seed", "mIoU (ours)", "Difference", "Verdict", "Download")
    return Table("Other runs", columns, tuple((row["run"], *_result_cells(scale, row)) for row in rows))


def _published_cells(row: PublishedRow) -> tuple[Cell, ...]:
    return f"{row.backbone}*", row.crop_size, row.schedule, row.sets, row.miou


def _result_cells(scale: str, row: Row) -> tuple[Cell, ...]:
    stride = str(row["setting"]["recipe"]["output_stride"])
    download: Cell = NOTHING
    files = DOWNLOADS.get(row["kind"], {})
    if files and row["miou"] is not None:
        download = tuple(Link(text, f"{run_folder(scale, row)}/{name}") for text, name in files.items())
    return (stride, *_our_cells(row), download)


def _our_cells(row: Row) -> tuple[Cell, ...]:
    return _seed(row), percent(row["miou"]), _difference(row), row["verdict"]


def _seed(row: Row) -> str:
    names = {"seeds": f"mean of {row['n']}", "released": "released"}
    return names.get(row["kind"], str(row["seed"]))


def _difference(row: Row) -> str:
    if row["difference"] is None:
        return NOTHING
    if row["kind"] == "released":
        return f"{row['difference']:+.3f}"
    if row["interval"] is None:
        return f"{row['difference']:+.2f}"
    low, high = row["interval"]
    return f"{row['difference']:+.2f} ± {(high - low) / 2:.2f}"


def _certainty_cells(row: Row) -> tuple[Cell, ...]:
    sigma = NOTHING if row["sigma"] is None else f"{row['sigma']:.2f}"
    seeds = NOTHING if row["interval"] is None else "{:+.2f} to {:+.2f}".format(*row["interval"])
    images = NOTHING if row["image_interval"] is None else "{:.2f}% to {:.2f}%".format(*row["image_interval"])
    return row["run"], _seed(row), str(row["n"]), sigma, row["sigma_source"] or NOTHING, seeds, images, row["verdict"]


def _refinement_cells(row: Row) -> tuple[Cell, ...]:
    measures = row["measures"]
    figures = (
        measures["coarse"]["miou"],
        row["miou"],
        measures["coarse"]["boundary_iou"],
        measures["boundary_iou"],
        measures["all_accuracy"],
    )
    return row["run"], _seed(row), str(measures["n_images"]), *map(percent, figures)


def _paired_cells(row: Row, released: float) -> tuple[Cell, ...]:
    interval = "{:+.2f} to {:+.2f}".format(*row["paired_interval"])
    figures = (percent(row["miou"]), percent(released), f"{row['miou'] - released:+.2f}")
    return row["run"], _seed(row), *figures, interval


def _overview_cells(rows: Sequence[Row]) -> tuple[Cell, ...]:
    """Cells of one run; the row of its seeds as a whole stands for them all."""
    trained = [row for row in rows if row["kind"] == "seeds"] or [row for row in rows if row["kind"] == "trained"]
    released = [row for row in rows if row["kind"] == "released"]
    evidence = max((row["evidence"] for row in rows), key=EVIDENCE.index)
    return rows[0]["run"], percent(rows[0]["published_miou"]), *_joined(trained), *_joined(released), evidence


def _joined(rows: Sequence[Row]) -> tuple[str, str, str]:
    """mIoU, difference and verdict of the rows that are scored, or else why none is."""
    scored = [row for row in rows if row["miou"] is not None]
    verdicts = dict.fromkeys(row["verdict"] for row in scored or rows)
    figures = ([percent(row["miou"]) for row in scored], [_difference(row) for row in scored])
    mious, differences = (", ".join(texts) or NOTHING for texts in figures)
    return mious, differences, ", ".join(verdicts) or NOTHING
