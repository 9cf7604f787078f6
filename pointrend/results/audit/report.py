"""What an audit found, as JSON and as text for a reader."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pointrend.results.audit.check_config import Comparison
from pointrend.results.audit.check_log import MOST_LR_ERROR, LogFindings
from pointrend.settings.params import RunSetting

COLUMNS = ("key", "ours", "theirs", "agrees")
WIDEST_CELL = 30
LOG_KEYS = ("images", "epochs", "iterations_per_epoch", "gpus", "records", "resumed", "seconds_per_iteration")


def as_json(run: str, log: LogFindings | None, config: Sequence[Comparison] | None) -> dict[str, Any]:
    """The whole audit; what belongs to the log is None without one, ``config`` is there only with one."""
    found_differences = [
        *(difference.as_json() for difference in (log.differences if log else ())),
        *(row.as_json() for row in disagreeing(config or ())),
    ]
    found = {
        "run": run,
        "agrees": not found_differences,
        "differences": found_differences,
        "max_lr_error": log.max_lr_error if log else None,
        **{key: getattr(log, key) if log else None for key in LOG_KEYS},
    }
    return found if config is None else {**found, "config": [row.as_json() for row in config]}


def differences(log: LogFindings | None, config: Sequence[Comparison] | None, config_file: Path | None) -> list[str]:
    """Everything that does not agree, a line each, that of the log first."""
    of_log = [str(found) for found in (log.differences if log else ())]
    return [*of_log, *(f"{config_file}: {row}" for row in disagreeing(config or ()))]


def disagreeing(rows: Iterable[Comparison]) -> list[Comparison]:
    """The rows that do not agree."""
    return [row for row in rows if row.agrees is False]


def log_text(path: Path, findings: LogFindings, setting: RunSetting, images: int) -> str:
    """The findings in a log as a table with what it proves below."""
    differing = {difference.key for difference in findings.differences}

    def row(key: str, ours: object, theirs: object) -> tuple[str, str, str, str]:
        if theirs is None:
            return key, str(ours), "not stated", "–"
        return key, str(ours), str(theirs), "no" if key in differing else "yes"

    error = "none to compare" if findings.max_lr_error is None else f"off by {findings.max_lr_error:.1e} at most"
    rows = [
        row("images", images, findings.images),
        row("epochs", setting.recipe.epochs, findings.epochs),
        row("iterations per epoch", _expected_iterations(findings), findings.iterations_per_epoch),
        row("learning rate", f"within {MOST_LR_ERROR:.0e} relative", error),
    ]
    last = findings.last
    notes = [
        f"{findings.records} records, the last one at epoch {last.epoch}, batch {last.batch} (line {last.line})",
        {
            None: "trained on one GPU or several: both have as many iterations per epoch",
            "one": "trained on one GPU",
            "several": "trained on several GPUs",
        }[findings.gpus],
        "resumed or started again" if findings.resumed else "not resumed",
    ]
    if findings.seconds_per_iteration is not None:
        notes.append(f"{findings.seconds_per_iteration:.3f} s per iteration (median)")
    if findings.cut:
        notes.append("cut: a record is not whole and was left out")
    differing_records = [f"differs: {difference}" for difference in findings.differences]
    return "\n".join([f"log {path}", *_table(rows), *notes, *differing_records])


def config_text(path: Path, rows: Sequence[Comparison]) -> str:
    """Every value of ours beside that of a config, and what differs in full."""
    said = {True: "yes", False: "no", None: "–"}
    cells = [(row.key, _cell(row.ours), _cell(row.theirs), said[row.agrees]) for row in rows]
    return "\n".join([f"config {path}", *_table(cells), *(f"differs: {row}" for row in disagreeing(rows))])


def _cell(value: object) -> str:
    """A value that fits into a column; what differs is written out below the table."""
    text = str(value)
    if len(text) <= WIDEST_CELL:
        return text
    return f"{len(value)} steps" if isinstance(value, list) else f"{text[: WIDEST_CELL - 3]}..."


def _expected_iterations(findings: LogFindings) -> int:
    wrong = (found.ours for found in findings.differences if found.key == "iterations per epoch")
    return next(wrong, findings.iterations_per_epoch)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [COLUMNS, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return [f"  {line}".rstrip() for line in padded]
