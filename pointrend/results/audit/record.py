"""What the audit of a run leaves for the results: audit.json and curve.json in runs/<scale>/<run>-published/."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pointrend.errors import AuditError
from pointrend.files import read_json, sha256_file, write_json
from pointrend.results.audit.audits import AUDIT, CURVE
from pointrend.results.audit.check_config import check_config
from pointrend.results.audit.check_log import check_log
from pointrend.results.audit.configs import read_config
from pointrend.results.audit.logs import read_log
from pointrend.results.audit.report import as_json, differences
from pointrend.results.audit.watch import published_curve
from pointrend.settings.params import RunSetting
from pointrend.settings.project import Project


def write_audit(project: Project, setting: RunSetting, log_file: Path, config_file: Path) -> None:
    """Hold both against the recipe and write what was found, whether or not it agrees, and the log's losses.

    audit.json names the log and the config by size, sha256 and source, as the first download noted them.
    """
    run, dataset = setting.run, project.params.datasets[setting.dataset]
    # Without its folder, so that the record is the same wherever the checkout lies.
    log = replace(read_log(log_file), path=Path(log_file.name))
    findings = check_log(log, setting, project.expected_images(setting.dataset).train)
    config = check_config(read_config(config_file), setting, dataset.sets)
    folder = project.audited_folder(run)
    write_json(folder / CURVE, published_curve(log).as_json())
    first = next(iter(differences(findings, config, Path(config_file.name))), None)
    named = {"files": _files(project, run), "first_difference": first, "curve_sha256": sha256_file(folder / CURVE)}
    write_json(folder / AUDIT, {**as_json(run, findings, config), **named})


def _files(project: Project, run: str) -> dict[str, Any]:
    """What was fetched for a run: the note of the first download, or else what the manifest says."""
    notes = read_json(project.first_seen_file, AuditError) if project.first_seen_file.exists() else {}
    found: dict[str, Any] = {}
    for name in (f"log_{run}", f"cfg_{run}"):
        manifest = read_json(project.fetched(name), AuditError, f"run: pointrend fetch {name}")
        found |= {file: notes.get(file, record) for file, record in manifest["files"].items()}
    return found
