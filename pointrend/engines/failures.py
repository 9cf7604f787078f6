"""Which jobs of a Snakemake have failed, and what they said, from its log and theirs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pointrend.errors import PointrendError

JOB = re.compile(r"^( *)(?:Error in )?rule \w+:\n((?:\1    .*\n)+)", re.MULTILINE)
"""A job as Snakemake tells of it, alone or in a group, with what stands indented under it."""
LAST_WORDS = re.compile(rf"^{re.escape(PointrendError.__module__)}\.\w+: (.+)\s*\Z", re.MULTILINE)
"""How the log of a job ends that met an error which we know."""


@dataclass(frozen=True)
class Failure:
    """A job's log, relative to the checkout, and the one line in which the job said why; empty where it did not."""

    log: str
    reason: str


def failures(snakemake_logs: Iterable[str], root: Path) -> list[Failure]:
    """The jobs that Snakemake's own logs say have failed and whose files are not there, each once.

    A job that was tried again and then ended well is not among them.
    """
    logs: dict[str, None] = {}
    for _, block in JOB.findall("\n".join(map(_text, map(Path, snakemake_logs)))):
        said = dict(re.findall(r"^ +(output|log): (.*)$", block, re.MULTILINE))
        log, marked, _ = said.get("log", "").partition(" (check log file(s)")
        outputs = said.get("output", "").split(", ")
        if marked and not all(name and (root / name).exists() for name in outputs):
            logs[log.split(", ")[0]] = None
    return [Failure(log, _reason(root / log)) for log in logs]


def _reason(log: Path) -> str:
    found = LAST_WORDS.search(_text(log))
    return found[1] if found else ""


def _text(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
