"""Record in one engine what the other has done.

Either engine can be made to accept whatever is on the disk. So this is done only if the other engine's records are
complete, and every file agrees with its record.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pointrend.engines.records import Records, Which, wanted_results
from pointrend.engines.stages import STAGES
from pointrend.engines.workflow import fetch_stage, stage_fields
from pointrend.errors import CheckFailed
from pointrend.settings.project import Project


def tell_dvc(project: Project) -> None:
    """Have DVC take what Snakemake made as its own.

    Raises:
        CheckFailed: Snakemake would still run something or has no record of how a file was made, or a file is
            missing or differs from its record.
    """
    do = f"run snakemake --cores all --config scale={project.params.scale}, then this again"
    planned = _engine(project, "snakemake", "-n", "-p")
    commands = re.findall(r"^Shell command: (pointrend .*)$", planned, re.MULTILINE)
    if commands:
        because = re.search(r"^out of date(: .*)$", planned, re.MULTILINE)
        raise CheckFailed(f"snakemake would still run {_listed(commands)}{because[1] if because else ''}", do)
    unrecorded = re.search(r"^Rules with missing metadata: (.*)$", planned, re.MULTILINE)
    if unrecorded:
        what = f"snakemake has no record of how the files of these stages were made: {unrecorded[1]}"
        raise CheckFailed(what, "if dvc made the files, run pointrend bridge snakemake instead")
    for fault, _ in _faults(project):
        raise CheckFailed(fault, f"remove it and {do}")
    _engine(project, "dvc", "commit", "--force")


def tell_snakemake(project: Project) -> None:
    """Have Snakemake take what DVC made as its own.

    Raises:
        CheckFailed: DVC would still run something, or a file is missing, differs from its record, or is not of
            the current setting and code.
    """
    do = "run dvc repro, then this again"
    if (project.released_runs or project.audited_runs) and not project.params.published_scales:
        what = "dvc has not scored the released weights or audited the published logs that belong to this scale"
        raise CheckFailed(what, f"write published_scales: [{project.params.scale}] into params.yaml, {do}")
    status = json.loads(_engine(project, "dvc", "status", "--json"))
    if status:
        first = json.dumps(next(iter(status.values()))[0]).translate(str.maketrans("", "", '{}"[]'))
        raise CheckFailed(f"dvc would still run {_listed(list(status))}: {first}", do)
    for fault, which in _faults(project):
        do = f"dvc commit accepted it unchecked: run dvc repro --force {_dvc_stage(project, *which)}, then this again"
        raise CheckFailed(fault, do)
    _engine(project, "snakemake", "--touch", "--forceall")


def _engine(project: Project, *command: str) -> str:
    """Run an engine in the checkout, Snakemake for the current scale; what it printed."""
    if command[0] == "snakemake":
        command = (*command, "--cores", "1", "--config", f"scale={project.params.scale}")
    program = str(Path(sys.executable).with_name(command[0]))
    ran = subprocess.run([program, *command[1:]], cwd=project.root, capture_output=True, text=True)  # noqa: S603 no shell
    if ran.returncode:
        lines = re.findall(r".*(?:error|exception|busy).*", ran.stderr + ran.stdout, re.IGNORECASE)
        what = f"{' '.join(command)} failed: {lines[0].strip() if lines else f'exit code {ran.returncode}'}"
        raise CheckFailed(what, "run it by hand to see more")
    return ran.stdout if command[0] == "dvc" else ran.stdout + ran.stderr


def _listed(names: list[str]) -> str:
    rest = len(names) - 3
    return ", ".join(names[:3]) + (f" and {rest} more" if rest > 0 else "")


def _faults(project: Project) -> Iterator[tuple[str, Which]]:
    """Results that differ from params.yaml, the code or their own records; every file is read, however large."""
    records = Records(project, most=sys.maxsize)
    return ((fault, which) for which in wanted_results(project) if (fault := records.fault(*which)))


def _dvc_stage(project: Project, stage: str, name: str, seed: int | None) -> str:
    """The name in dvc.yaml of the stage that makes a result."""
    if stage == "fetch":
        stage, fields = fetch_stage(project, name)
    else:
        fields = stage_fields(project, **({"dataset" if stage == "prepare" else "run": name} if name else {}))
    each = {**fields, "seed": str(seed)}
    return f"{stage}@{'-'.join(each[key] for key in ('scale', *STAGES[stage].each))}"
