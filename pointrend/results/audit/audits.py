"""What the published training log of a run says, beside our figures of that run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pointrend.errors import CheckFailed
from pointrend.files import read_json, sha256_file
from pointrend.results.audit.curve import read_curve, trained_curve
from pointrend.results.audit.departures import compare_curves

AUDIT, CURVE = "audit.json", "curve.json"
AUDIT_KEYS = ("run", "agrees", "first_difference", "files", "curve_sha256")
LEAST_EVIDENCE, EVIDENCE = "inputs", "log"
"""A log that agrees is evidence for the recipe where nothing has been scored; a score is better evidence."""


def with_audit(row: dict[str, Any], run_folder: Path) -> dict[str, Any]:
    """A row of results.json with ``audit`` and ``curve``, and with what follows from them: evidence and reasons.

    ``audit`` says whether the published log and config agree with our recipe, and names the audited files; ``curve``
    how far our losses follow the published ones. Each is None where there is nothing to say, and both are in rows of
    other kinds than ``trained``. ``run_folder`` is that of
    the run's training.

    Raises:
        CheckFailed: curve.json is not the one that audit.json names.
        ResultsError: one of the two cannot be read.
    """
    folder = run_folder.with_name(f"{row['run']}-published")
    if row["kind"] != "trained" or not (folder / AUDIT).is_file():
        return row | {"audit": None, "curve": None}
    audit, curve = read_audit(folder), _curve(row, run_folder, folder)
    reasons = [*row["reasons"], *_reasons(audit, curve)]
    agrees = audit["agrees"] and row["evidence"] == LEAST_EVIDENCE
    return row | {
        "audit": audit,
        "curve": curve,
        "reasons": reasons,
        "evidence": EVIDENCE if agrees else row["evidence"],
    }


def read_audit(folder: Path) -> dict[str, Any]:
    """What a row says of the audit in ``folder``."""
    do = "run `pointrend audit RUN --record` again"
    found = read_json(folder / AUDIT, do=do)
    if not isinstance(found, dict) or not found.keys() >= set(AUDIT_KEYS):
        raise CheckFailed(f"{folder / AUDIT} does not have {', '.join(AUDIT_KEYS)}", do)
    if not (folder / CURVE).is_file() or sha256_file(folder / CURVE) != found["curve_sha256"]:
        raise CheckFailed(f"{folder / CURVE} is not the one whose sha256 is in {AUDIT}", do)
    kept = {key: found[key] for key in ("agrees", "first_difference", "files")}
    return {**kept, "hashes": {name: sha256_file(folder / name) for name in (AUDIT, CURVE)}}


def _curve(row: dict[str, Any], run_folder: Path, folder: Path) -> dict[str, Any] | None:
    if row["miou"] is None:
        return None
    train = read_json(run_folder / "train.json")
    schedule = train["setting"]["recipe"]["epochs"], train["iterations_per_epoch"]
    ours = trained_curve((run_folder / "metrics.jsonl").read_bytes(), *schedule)
    return compare_curves(ours, read_curve(folder / CURVE))


def _reasons(audit: dict[str, Any], curve: dict[str, Any] | None) -> list[str]:
    reasons = (
        [] if audit["agrees"] else [f"its published log or config differs from our recipe: {audit['first_difference']}"]
    )
    if curve is not None:
        left = next((change for change in curve["departures"] if change["left"]), None)
        if left is not None:
            place = f"{left['side']} the published curve's band, first seen at iteration {left['iteration']}"
            reasons.append(f"its {left['loss']} was for long {place}")
    return reasons
