"""The audit of a run: both published files checked, what is recorded of it, and what follows for the results.

What an audit leaves in runs/<scale>/<run>-published/: audit.json with the findings, and curve.json with the losses.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pointrend.errors import AuditError, CheckFailed
from pointrend.files import read_json, sha256_file, write_json
from pointrend.results.audit.check_config import Comparison, check_config, disagreeing, not_compared
from pointrend.results.audit.check_log import LOG_KEYS, LogDifference, LogFindings, check_log
from pointrend.results.audit.configs import AUDIT_PUBLISHED, read_config
from pointrend.results.audit.curves import compare_curves, read_curve, trained_curve
from pointrend.results.audit.logs import TrainingLog, read_log
from pointrend.results.audit.watch import published_curve
from pointrend.results.chain import AUDIT, CURVE, METRICS_LOG, TRAIN, stated
from pointrend.settings.params import RunSetting
from pointrend.settings.project import Project
from pointrend.terminal import NOTHING, WIDTH, table

AUDIT_KEYS = ("run", "agrees", "first_difference", "files", "curve_sha256")
# A log that agrees is evidence for the recipe where nothing has been scored; a score is better evidence.
LEAST_EVIDENCE, EVIDENCE = "inputs", "log"
AGREES = {True: "yes", False: "no", None: NOTHING}
WIDEST_CELL = 22


@dataclass(frozen=True)
class Audit:
    """What was found in a log, a config or both; None, or no rows, where it was not looked at."""

    run: str
    log: LogFindings | None
    config_file: Path | None = None
    config: Sequence[Comparison] = ()
    not_compared: Sequence[str] = ()  # paths of values in the config

    @property
    def differences(self) -> list[LogDifference | Comparison]:
        """Everything that does not agree, that of the log first."""
        return [*(self.log.differences if self.log else ()), *disagreeing(self.config)]

    @property
    def first_difference(self) -> str | None:
        """The first of them, with its file."""
        first = next(iter(self.differences), None)
        return f"{self.config_file}: {first}" if isinstance(first, Comparison) else str(first) if first else None

    def check(self) -> None:
        """Raise CheckFailed with the first difference, if there is one."""
        if first := self.first_difference:
            more = f" (and {len(self.differences) - 1} more)" if len(self.differences) > 1 else ""
            do = "find out which of the two is wrong: the recipe in params.yaml or what was published"
            raise CheckFailed(f"{self.run} does not agree: {first}{more}", do)

    def as_json(self) -> dict[str, Any]:
        """The whole audit; what belongs to the log is None without one, and ``config`` occurs only with one."""
        found = {
            "run": self.run,
            "agrees": not self.differences,
            "differences": [asdict(difference) for difference in self.differences],
            **(self.log.facts if self.log else dict.fromkeys(LOG_KEYS)),
        }
        return found | ({"config": [asdict(row) for row in self.config]} if self.config else {})


def audit(project: Project, setting: RunSetting, log: TrainingLog | None, config_file: Path | None) -> Audit:
    """Compare a log, a config or both with the recipe in ``setting``.

    Raises:
        AuditError: the config cannot be read, or states nothing that could be compared.
    """
    images, sets = project.expected_images(setting.dataset).train, project.params.datasets[setting.dataset].sets
    findings = check_log(log, setting, images) if log else None
    if config_file is None:
        return Audit(setting.run, findings)
    config = read_config(config_file)
    rows = check_config(config, setting, sets)
    if all(row.agrees is None for row in rows):
        raise AuditError(f"{config_file} states none of the values that are compared", AUDIT_PUBLISHED)
    return Audit(setting.run, findings, config_file, rows, not_compared(config, rows))


def fetched_files(project: Project, run: str) -> tuple[Path, Path]:
    """The log and the config of a run that were fetched.

    Raises:
        AuditError: one is missing; the command that gets it is named.
    """
    names = [f"{kind}_{run}" for kind in ("log", "cfg")]
    log, config = (project.fetched_file(name, project.published_files()[name][0]) for name in names)
    missing = [(name, file) for name, file in zip(names, (log, config), strict=True) if not file.is_file()]
    if missing:
        do = " && ".join(f"pointrend --scale {project.params.scale} fetch {name}" for name, _ in missing)
        raise AuditError(f"{missing[0][1]} does not exist", f"run: {do}")
    return log, config


def record_audit(project: Project, setting: RunSetting) -> None:
    """Audit the fetched files and write what was found, whether or not it agrees, and the log's losses.

    audit.json names the log and the config by size, sha256 and source, as the first download noted them.
    """
    run, folder = setting.run, project.audited_folder(setting.run)
    log_file, config_file = fetched_files(project, run)
    # Without their folders, so that the record is the same wherever the checkout is.
    log = replace(read_log(log_file), path=Path(log_file.name))
    found = replace(audit(project, setting, log, config_file), config_file=Path(config_file.name))
    write_json(folder / CURVE, asdict(published_curve(log)))
    named = {
        "files": _noted_files(project, run),
        "first_difference": found.first_difference,
        "curve_sha256": sha256_file(folder / CURVE),
    }
    write_json(folder / AUDIT, {**found.as_json(), **named})


def _noted_files(project: Project, run: str) -> dict[str, Any]:
    """What was fetched for a run: the note of the first download, or else what the manifest states."""
    notes = read_json(project.first_seen_file, AuditError) if project.first_seen_file.exists() else {}
    manifests = (project.fetched_records(f"{kind}_{run}", AuditError) for kind in ("log", "cfg"))
    return {file: notes.get(file, facts) for records in manifests for file, facts in records.items()}


def with_audit(row: dict[str, Any], run_folder: Path) -> dict[str, Any]:
    """A row of results.json with ``audit`` and ``curve``, and with what follows from them: evidence and reasons.

    ``audit`` states whether the published log and config agree with our recipe, and names the audited files; ``curve``
    how far our losses follow the published ones. Both are None in rows of other kinds than ``trained``, and where
    there is nothing to state. ``run_folder`` is that of the run's training.

    Raises:
        CheckFailed: curve.json is not the one that audit.json names.
        ResultsError: one of the two cannot be read.
    """
    folder = run_folder.with_name(f"{row['run']}-published")
    if row["kind"] != "trained" or not (folder / AUDIT).is_file():
        return row | {"audit": None, "curve": None}
    found, curve, reasons = _read_audit(folder), None, list(row["reasons"])
    if row["miou"] is not None:
        train = read_json(run_folder / TRAIN)
        schedule = train["setting"]["recipe"]["epochs"], train["iterations_per_epoch"]
        ours = trained_curve((run_folder / METRICS_LOG).read_bytes(), *schedule)
        curve = compare_curves(ours, read_curve(folder / CURVE))
    if not found["agrees"]:
        reasons.append(f"its published log or config differs from our recipe: {found['first_difference']}")
    if left := next((change for change in (curve or {}).get("departures", ()) if change["left"]), None):
        place = f"{left['side']} the published curve's band, first seen at iteration {left['iteration']}"
        reasons.append(f"its {left['loss']} was for long {place}")
    better = found["agrees"] and row["evidence"] == LEAST_EVIDENCE
    evidence = EVIDENCE if better else row["evidence"]
    return row | {"audit": found, "curve": curve, "reasons": reasons, "evidence": evidence}


def audit_holds(row: Mapping[str, Any], run_folder: Path) -> bool:
    """Whether what a row of results.json states about the published log follows from the files of the audit."""
    before: dict[str, Any] = {"evidence": LEAST_EVIDENCE if row["miou"] is None else row["evidence"], "reasons": []}
    expected = with_audit({**row, **before}, run_folder)
    same = all(row[key] == expected[key] for key in ("audit", "curve", "evidence"))
    return same and set(expected["reasons"]) <= set(row["reasons"])


def _read_audit(folder: Path) -> dict[str, Any]:
    """What a row states about the audit in ``folder``."""
    do = "run `pointrend audit RUN --record` again"
    found = read_json(folder / AUDIT, CheckFailed, do, AUDIT_KEYS)
    for one in stated(folder / AUDIT, found):
        if fault := one.fault(str):
            raise CheckFailed(fault, do)
    kept = {key: found[key] for key in ("agrees", "first_difference", "files")}
    return {**kept, "hashes": {name: sha256_file(folder / name) for name in (AUDIT, CURVE)}}


def audit_text(found: Audit) -> str:
    """What was found in a log, in a config, or in both."""
    texts = []
    if found.log:
        texts.append(_text(f"log {found.log.log.path}", found.log.rows, found.log.notes(), found.log.differences))
    if found.config:
        states = Counter(row.agrees for row in found.config)
        notes = [f"values: {states[True]} agree, {states[False]} differ, {states[None]} not stated"]
        if found.not_compared:
            notes.append(textwrap.fill(f"not compared: {', '.join(found.not_compared)}", WIDTH, break_long_words=False))
        texts.append(_text(f"config {found.config_file}", found.config, notes, disagreeing(found.config)))
    return "\n\n".join(texts)


def _text(title: str, rows: Sequence[Comparison], notes: Iterable[str], differing: Sequence[object]) -> str:
    """Every value of ours beside theirs, what else was found, and what differs in full."""
    cells = [(row.key, _cell(row.ours), _cell(row.theirs), AGREES[row.agrees]) for row in rows]
    lines = table([("key", "ours", "theirs", "agrees"), *cells], "<<<>")
    return "\n".join([title, lines, *notes, *(f"differs: {one}" for one in differing)])


def _cell(value: object) -> str:
    """A value that fits into a column; what differs is written out below the table."""
    text = str(value)
    if len(text) <= WIDEST_CELL:
        return text
    return f"{len(value)} steps" if isinstance(value, list) else f"{text[: WIDEST_CELL - 3]}..."
