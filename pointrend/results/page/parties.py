"""Scores of the same weights by a second party, as they are unpacked from a crate (docs/provenance.md)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pointrend.errors import CheckFailed
from pointrend.results.chain import MODEL, folder_name
from pointrend.results.crate.verify_crate import COUNTERSIGNED
from pointrend.results.page.carried import Carried
from pointrend.results.tables import Row, percent


def countersigned(results: Path) -> dict[str, bytes]:
    """The records of second parties in the folder of results.json, to be carried by the page."""
    found = sorted((results / COUNTERSIGNED).glob("*/*.json"))
    return {path.relative_to(results).as_posix(): path.read_bytes() for path in found}


def second_scores(rows: Sequence[Row], carried: Carried) -> list[str]:
    """What is said of the rows of a run whose weights a second party has scored.

    Raises:
        CheckFailed: a record of a second party has an unexpected form.
    """
    return [
        f"{'seed ' + str(row['seed']) if row['kind'] == 'trained' else 'released weights'}"
        f" scored by two parties: {percent(row['miou'])} and {percent(miou)}"
        for name in carried
        if name.startswith(f"{COUNTERSIGNED}/")
        for row in rows
        if row["kind"] != "seeds" and Path(name).stem == folder_name(row)
        for weights, miou in [_record(name, carried[name])]
        if weights == (row["hashes"].get(MODEL) or row["hashes"].get("weights"))
    ]


def _record(name: str, content: bytes) -> tuple[str, float]:
    try:
        record = json.loads(content)
        return record["model_sha256"], float(record["miou"])
    except (ValueError, KeyError, TypeError) as problem:
        raise CheckFailed(
            f"{name} is not a second party's record: {problem!r}", "unpack it from the crate again"
        ) from problem
