"""What an audit found, as text for a reader."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pointrend.results.audit.audits import Audit
from pointrend.results.audit.check_config import NOT_STATED, Comparison, disagreeing
from pointrend.results.audit.check_log import MOST_LR_ERROR, LogFindings
from pointrend.settings.params import RunSetting

COLUMNS = ("key", "ours", "theirs", "agrees")
WIDEST_CELL = 30


def audit_text(audit: Audit, setting: RunSetting) -> str:
    """What was found in a log, in a config, or in both."""
    texts = [_log_text(audit.log, setting)] if audit.log else []
    texts += [_config_text(audit.config_file, audit.config)] if audit.config else []
    return "\n\n".join(texts)


def _log_text(findings: LogFindings, setting: RunSetting) -> str:
    """The findings in a log as a table, and below it what the log proves."""
    differing = {difference.key for difference in findings.differences}

    def row(key: str, ours: object, theirs: object) -> tuple[str, str, str, str]:
        if theirs is None:
            return key, str(ours), NOT_STATED, "–"
        return key, str(ours), str(theirs), "no" if key in differing else "yes"

    error = "none to compare" if findings.max_lr_error is None else f"off by {findings.max_lr_error:.1e} at most"
    rows = [
        row("images", findings.our_images, findings.images),
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
    return "\n".join([f"log {findings.path}", *_table(rows), *notes, *differing_records])


def _config_text(path: Path | None, rows: Sequence[Comparison]) -> str:
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
