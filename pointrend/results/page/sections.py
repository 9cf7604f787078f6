"""What the page shows besides tables and plots: the answer for each run, and pictures run by run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pointrend.datasets.registry import classes_of
from pointrend.errors import CheckFailed
from pointrend.evaluation.pictures import read_sheet
from pointrend.results import tables
from pointrend.results.chain import CURVE_TABLE, MATRIX, METRICS, folder_name
from pointrend.results.page.carried import (
    RANKS,
    Carried,
    Picture,
    carried_name,
    data_uri,
    published_curve,
    shown_pictures,
)
from pointrend.results.page.parties import second_scores
from pointrend.results.published import Published
from pointrend.results.tables import Row, Table, percent, row_name


@dataclass(frozen=True)
class Card:
    """The answer for one run: its figures as text, what is known of its trainings, and under them every figure.

    ``proofs``: for each row of results.json what its figure rests on.
    """

    title: str
    run: str
    published: str
    seeds: str
    miou: str
    difference: str
    verdict: str
    facts: Sequence[str]
    figures: Table
    proofs: Sequence[Mapping[str, Any]]


def cards(results: Mapping[str, Any], published: Published, carried: Carried) -> list[Card]:
    """One card per run."""
    return [_card(run, rows, published, carried) for run, rows in tables.rows_by_run(results).items()]


def _card(run: str, rows: Sequence[Row], published: Published, carried: Carried) -> Card:
    return Card(
        tables.run_title(rows[0]),
        run,
        tables.theirs(published, run),
        tables.seeds_text(rows),
        *tables.trained_cells(rows),
        [
            *_facts([row["provenance"] for row in rows if row["kind"] == "trained" and row["provenance"]]),
            *second_scores(rows, carried),
        ],
        tables.figures_table(rows),
        [_proof(row, carried) for row in rows],
    )


def _facts(trainings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Date, commit and machine of the last training, and the time of all, as far as they are known."""
    if not trainings:
        return []
    last = trainings[-1]
    code, machine = (_known(last, key, dict) for key in ("code", "machine"))
    seconds = [time for known in trainings if (time := _known(known, "seconds", float))]
    facts = {
        "": _known(last, "began", str)[:10],
        "commit ": _known(code, "commit", str)[:10],
        "on ": ", ".join(filter(None, (_known(machine, key, str) for key in ("device", "processor")))),
        "trained for ": _duration(sum(seconds)) + (f" over {len(seconds)} seeds" if len(seconds) > 1 else ""),
    }
    return [word + fact for word, fact in facts.items() if fact]


def _known(facts: Mapping[str, Any], key: str, kind: type[Any]) -> Any:
    """A fact of a record, whose form is not checked; nothing where it is missing or of another type."""
    return facts[key] if isinstance(facts.get(key), kind) else kind()


def _duration(seconds: float) -> str:
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{max(seconds / 60, 1):.0f} min" if seconds else ""


def _proof(row: Row, carried: Carried) -> dict[str, Any]:
    names = [carried_name(row, name) for name in (METRICS, CURVE_TABLE, MATRIX) if row["kind"] != "seeds"]
    names += [published_curve(row)] if row["kind"] == "trained" else []
    return {
        "name": row_name(row),
        "evidence": row["evidence"],
        "files": {name: data_uri(name, carried[name]) for name in names if name in carried},
        "provenance": row["provenance"],
        "hashes": sorted(row["hashes"].items()),
    }


def gallery(results: Mapping[str, Any], carried: Carried) -> dict[str, Any]:
    """The pictures of all rows that have some; in sight the best, median and worst of the first row of every run.

    Raises:
        CheckFailed: a picture is not one of ours.
    """
    shown = shown_pictures(results)
    runs: list[dict[str, Any]] = []
    for row in results["runs"]:
        if not row["pictures"]:
            continue
        drawn = [_picture(row, picture, carried) for picture in shown[folder_name(row)]]
        ranked = sum(picture.rank < len(RANKS) for picture in shown[folder_name(row)])
        first = ranked if all(row["run"] != run["run"] for run in runs) else 0
        legend = dict(sorted({entry for picture in drawn for entry in picture["legend"]}))
        named = {"run": row["run"], "name": row_name(row), "legend": legend}
        runs.append({**named, "pictures": drawn[:first], "folded": drawn[first:]})
    return (
        {
            "runs": runs,
            "shown": sum(map(len, shown.values())),
            "drawn": sum(len(row["pictures"]) for row in results["runs"]),
            "bytes": sum(picture.bytes for pictures in shown.values() for picture in pictures),
        }
        if runs
        else {}
    )


def _picture(row: Row, picture: Picture, carried: Carried) -> dict[str, Any]:
    file = carried_name(row, f"pictures/{picture.file}")
    try:
        sheet = read_sheet(carried[file], classes_of(row["setting"]["dataset"]))
    except ValueError as problem:
        raise CheckFailed(f"{file} is not a drawn image: {problem}", "evaluate that run again") from problem
    return {
        "file": file,
        "uri": data_uri(file, carried[file]),
        "row_name": row_name(row),
        "words": ", ".join(word for word in picture.shown_as if word in RANKS) or f"no. {picture.index + 1}",
        "id": picture.id,
        "score": f"mIoU {percent(picture.miou)}" if picture.miou is not None else "nothing labelled",
        "panels": sheet.boxes,
        "legend": [(name, "#{:02x}{:02x}{:02x}".format(*fill)) for name, fill in sheet.legend],
    }


def plans(results: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """By run: a name, its planned seeds and what was started since, and the sha256 of the plan."""
    sealed = {row["run"]: row["sealed"] for row in results["runs"] if row["sealed"]}
    return [(f"seeds of {run}", _plan(plan), plan["sha256"]) for run, plan in sealed.items()]


def _plan(plan: Mapping[str, Any]) -> str:
    seeds, other = ", ".join(map(str, plan["seeds"])), plan["other"]
    more = f"; trained with other settings, data or code: {other} times" if other else ""
    return f"{seeds}, planned at {plan['time']}; starts since then: {plan['starts']}{more}"
