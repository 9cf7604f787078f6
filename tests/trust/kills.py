"""Kill -9 at random moments of every stage, then the same command again: what comes out is what a calm machine gives.

``python -m tests.trust.kills 200 --seed 1 --write`` tries 200 kills and rewrites the table in docs/reliability.md.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.trust.campaign import MOST_SECONDS, campaign, contents, differences, markdown
from tests.trust.ground import ROOT, SETTINGS, STEPS, Ground, one_run

STAGES = tuple(step for step in STEPS if step != "fetch backbone_r50")


@dataclass
class Tally:
    """Of one stage: how long it takes undisturbed, kills tried, those that met it at work, and defects found."""

    seconds: float
    kills: int = 0
    at_work: int = 0
    defects: list[str] = field(default_factory=list)


def command(ground: Ground, stage: str) -> subprocess.Popen[bytes]:
    """Start a stage in its own process group."""
    env = {key: value for key, value in os.environ.items() if key not in SETTINGS}
    return subprocess.Popen(
        [sys.executable, "-m", "pointrend", "--quiet", *stage.split()],
        cwd=ground.root,
        env={**env, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(ground: Ground, stage: str) -> str:
    """Run a stage to its end; what went wrong, or nothing."""
    with command(ground, stage) as process:
        try:
            errors = process.communicate(timeout=MOST_SECONDS)[1].decode(errors="replace")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return f"still at work after {MOST_SECONDS} s"
    return f"exit code {process.returncode}: {errors[-300:]}" if process.returncode or "Traceback" in errors else ""


def kill(ground: Ground, stage: str, after: float) -> bool:
    """Kill a stage ``after`` this many seconds; whether it was still at work."""
    with command(ground, stage) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=after)
            return False
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=MOST_SECONDS)
    return process.returncode == -signal.SIGKILL


class Campaign:
    """Kills over the stages, one after another, in one checkout that is made again where a stage begins."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.tallies: dict[str, Tally] = {}
        self.before: dict[str, Ground] = {}
        self.calm: dict[str, dict[str, Any]] = {}
        ground = one_run(folder / "calm")
        for step in STEPS:
            self.before[step] = ground.copy(folder / f"before {step}")
            start = time.monotonic()
            if problem := finish(ground, step):
                raise RuntimeError(f"{step} undisturbed: {problem}")
            self.tallies[step] = Tally(time.monotonic() - start)
            self.calm[step] = contents(ground)

    def run(self, kills: int, most_in_a_row: int = 3) -> None:
        """Try ``kills`` kills, up to ``most_in_a_row`` of a stage before it may end, each stage in turn."""
        for stage in itertools.cycle(STAGES):
            row = min(kills, self.random.randint(1, most_in_a_row))
            self._round(stage, row)
            kills -= row
            if not kills:
                return

    def _round(self, stage: str, row: int) -> None:
        tally, ground = self.tallies[stage], self.before[stage].copy(self.folder / "round")
        moments = [self.random.uniform(0, 1.1 * tally.seconds) for _ in range(row)]
        for after in moments:
            tally.kills += 1
            tally.at_work += kill(ground, stage, after)
        wrong = finish(ground, stage) or ", ".join(differences(self.calm[stage], ground))
        if wrong:
            tally.defects.append(f"{stage} killed after {', '.join(f'{after:.2f}' for after in moments)} s: {wrong}")
        shutil.rmtree(ground.root)

    @property
    def defects(self) -> list[str]:
        """What went wrong, a line each."""
        return [defect for tally in self.tallies.values() for defect in tally.defects]

    def table(self) -> str:
        """The tallies as a Markdown table."""
        tallies = {f"`{stage}`": self.tallies[stage] for stage in STAGES}
        rows = [(stage, tally.kills, tally.at_work, len(tally.defects)) for stage, tally in tallies.items()]
        total = ("all", *(sum(column) for column in list(zip(*rows, strict=True))[1:]))
        return markdown(("stage", "kills", "met it at work", "defects"), *rows, total)


def run(kills: int, seed: int) -> tuple[str, str, list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        tried = Campaign(Path(folder), seed)
        tried.run(kills)
    return tried.table(), tried.table(), tried.defects


if __name__ == "__main__":
    campaign("kills", run)
