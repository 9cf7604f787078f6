"""The stage runs that the results of a scale come from: when, where and by which command, what they read and wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pointrend.checkout.starts import Starts
from pointrend.engines.records import wanted_results
from pointrend.engines.stages import STAGES
from pointrend.engines.workflow import Workflow, fetch_stage, stage_fields
from pointrend.results.crate.build import Performed
from pointrend.settings.project import Project


def performed(project: Project, runs: Collection[str]) -> Iterator[Performed]:
    """Every stage run with a record, in the order of the DAG; of trainings, scores and audits those of ``runs``."""
    words = Workflow(project, tuple(project.params.runs), project.params.seeds).command()
    for stage, name, seed in wanted_results(project):
        if name in project.params.runs and name not in runs:
            continue
        if stage == "fetch":
            stage, fields = fetch_stage(project, name)
        else:
            fields = stage_fields(project, **({"dataset" if stage == "prepare" else "run": name} if name else {}))
        table, fields = STAGES[stage], {**fields, "seed": str(seed)}
        outs = tuple(project.root / out.format(**fields) for out in table.outs.values())
        if not outs[0].is_file():
            continue
        needs = [out for need in table.needs for out in STAGES[need].outs.values()]
        reads = tuple(project.root / path.format(**fields) for path in (*needs, *table.reads))
        job, record = table.job.format(**fields), _record(outs[0])
        start, end = _times(project, job, outs[0], record)
        command = table.command.format(**fields)
        yield Performed(command.split()[0], job, f"{words} {command}", record, reads, outs, start, end)


def _record(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_bytes())) if path.suffix == ".json" else {}


def _times(project: Project, job: str, path: Path, record: dict[str, Any]) -> tuple[datetime | None, datetime]:
    """Start and end: of a training by the record of starts, else by its log and by Snakemake's measurement beside it.

    A command that writes no log ended when its record was written.
    """
    if "attempts" in record:
        entries = [e for e in Starts(project.starts_folder).entries().values() if _is_of(e, record)]
        if entries:
            first, last = (datetime.strptime(entries[n]["time"], "%Y-%m-%d %H:%M:%S %Z") for n in (0, -1))
            return first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)
    log = project.log_file(job)
    stamps = re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", log.read_text("utf-8") if log.is_file() else "", re.M)
    times = [datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S").astimezone(UTC) for stamp in stamps]
    end = times[-1] if times else datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
    measured = log.with_suffix(".tsv")
    if measured.is_file():
        return end - timedelta(seconds=round(float(measured.read_text().splitlines()[1].split("\t")[0]))), end
    return (times[0] if times else None), end


def _is_of(entry: Any, record: dict[str, Any]) -> bool:
    return entry["kind"] in ("start", "end") and entry["fingerprint"] == record["fingerprint"]
