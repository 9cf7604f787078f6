"""Kill -9 at random moments of every stage, then the same command again: what comes out is what a calm machine gives.

``python -m tests.trust.kills 200`` tries 200 kills.
"""

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

from tests.trust.ground import ROOT, STEPS, Ground, one_run
from tests.trust.outcome import contents, differences

STAGES = tuple(step for step in STEPS if step != "fetch backbone_r50")
MOST_SECONDS = 120


@dataclass
class Tally:
    """Of one stage: kills tried, those that met it at work, and defects found."""

    kills: int = 0
    at_work: int = 0
    defects: list[str] = field(default_factory=list)


def command(ground: Ground, stage: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "pointrend", "--quiet", *stage.split()],
        cwd=ground.root,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
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


def campaign(folder: Path, kills: int, seed: int = 1, most_in_a_row: int = 3) -> dict[str, Tally]:
    """Try ``kills`` kills, up to ``most_in_a_row`` of a stage before it may end, each stage in turn."""
    before, calm, seconds = {}, {}, {}
    ground = one_run(folder / "calm")
    for step in STEPS:
        before[step] = ground.copy(folder / f"before {step}")
        start = time.monotonic()
        assert not finish(ground, step), step
        seconds[step] = time.monotonic() - start
        calm[step] = contents(ground)
    drawn, tallies = random.Random(seed), {stage: Tally() for stage in STAGES}
    for stage in itertools.cycle(STAGES):
        row = min(kills, drawn.randint(1, most_in_a_row))
        moments = [drawn.uniform(0, 1.1 * seconds[stage]) for _ in range(row)]
        tally, ground = tallies[stage], before[stage].copy(folder / "round")
        tally.kills += row
        tally.at_work += sum(kill(ground, stage, after) for after in moments)
        if wrong := finish(ground, stage) or ", ".join(differences(calm[stage], ground)):
            tally.defects.append(f"{stage} killed after {moments} s: {wrong}")
        shutil.rmtree(ground.root)
        kills -= row
        if not kills:
            return tallies
    raise AssertionError


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        print(*campaign(Path(temporary), int(sys.argv[1])).items(), sep="\n")
