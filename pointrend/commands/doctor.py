"""Check what this machine has for the current scale and what it lacks, and print what to do about it.

The exit code is 3 if something that the scale needs is missing.

examples:
  pointrend doctor
  pointrend --scale paper doctor
"""

from __future__ import annotations

import argparse
import textwrap
from dataclasses import asdict

from pointrend.engines.doctor.cluster import check_shared, check_slurm, slurm_version
from pointrend.engines.doctor.finding import Finding
from pointrend.engines.doctor.machine import (
    check_cuda,
    check_disk,
    check_git,
    check_home,
    check_python,
    check_shared_memory,
    check_tmpdir,
    check_torch,
)
from pointrend.engines.doctor.outside import check_archives, check_tracking
from pointrend.engines.workflow import Workflow
from pointrend.errors import CheckFailed
from pointrend.files import canonical_json
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(project: Project, arguments: argparse.Namespace) -> int:
    """Check everything and print the findings."""
    findings = look(project)
    missing = [finding.name for finding in findings if finding.state == "missing"]
    if arguments.json:
        found = [asdict(finding) for finding in findings]
        print(canonical_json({"scale": project.params.scale, "ok": not missing, "findings": found}), end="")
        return CheckFailed.exit_code if missing else 0
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark = finding.state.upper() if finding.state == "missing" else finding.state
        print(_filled(f"{mark:<8} {finding.name:<{width}}  ", finding.found))
        if finding.do:
            print(_filled(f"{'':<8} -> ", finding.do))
    if missing:
        raise CheckFailed(f"scale {project.params.scale} lacks: {', '.join(missing)}", "follow each -> above")
    command = Workflow(project, tuple(project.params.runs), project.params.seeds).whole_command()
    print(f"\nnothing is missing for scale {project.params.scale}\nnext: {command}")
    return 0


def _filled(start: str, text: str) -> str:
    """``text`` beside ``start`` in lines that fit an 80-column terminal; names, paths and options stay whole."""
    indent = " " * len(start)
    return textwrap.fill(start + text, 80, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


def look(project: Project) -> list[Finding]:
    """All findings in the order in which the things are needed."""
    slurm = slurm_version()
    return [
        check_python(),
        check_torch(),
        check_cuda(project, cluster=slurm is not None),
        check_disk(project),
        check_tmpdir(project),
        check_shared_memory(project, cluster=slurm is not None),
        *check_git(project.root.resolve()),
        check_home(),
        *check_slurm(slurm),
        check_shared(project.root.resolve(), slurm),
        *check_archives(project),
        check_tracking(),
    ]
