"""The targets of the Snakefile, as they are typed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pointrend.errors import ParamsError
from pointrend.settings.params_file import nearest
from pointrend.settings.project import Project

TARGETS = ("all", "data", "trained", "evaluated", "released")
"""Besides them, every run is one."""
RULES = ("fetch", "prepare", "train", "evaluate", "evaluate_released", "audit", "compare", "report", "track")
"""No targets but for the last three; options like --forcerun name them."""
LIKENESS = 0.8
"""Of a misspelt target to the one that was meant; what resembles none so much may be the value of an option."""


def check_targets(project: Project, runs: Sequence[str], words: Sequence[str]) -> None:
    """Make sure that the ``words`` of a command line name no target that is not there for the wanted ``runs``.

    Snakemake itself would say of a misspelt one that no rule produces it. Words that resemble no target, such as files
    and values of options, are left to it.

    Raises:
        ParamsError: one does; the nearest target, or a scale that has it, is named.
    """
    if "released" in words:
        for run in runs:
            project.check_published("released", run)
    known = [*TARGETS, *project.params.runs]
    for word in words:
        if word in (*TARGETS, *RULES, *runs) or not re.fullmatch(r"\w[\w-]*", word):
            continue
        if word in project.params.runs:
            raise ParamsError(f"the target {word} is none of the wanted runs {', '.join(runs)}", "add it to runs=")
        if close := nearest(word, known, LIKENESS):
            raise ParamsError(f"there is no target {word!r}{close}", f"choose from {', '.join(known)}")
