"""Kill -9 at random moments of every stage, then the same command again: what comes out is what a calm machine gives.

``python -m tests.trust.kills 200 --seed 1 --write`` tries 200 kills and rewrites the table in docs/reliability.md.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pointrend.files import SEAL, sha256_file
from tests.trust.document import write_table
from tests.trust.ground import ROOT, SETTINGS, STEPS, Ground, one_run

STAGES = tuple(step for step in STEPS if step != "fetch backbone_r50")
TIMES = {
    *("time", "seconds", "images_per_second", "data_wait_share", "memory_mb", "machine", "attempts"),
    *("curves", "train_sha256", SEAL),
}
"""Keys in the records of a training whose values are times, or say which machine it was and how it was started."""
HASH = "[0-9a-f]{64}"
PASSING = (".lock", ".log", ".digests.json")
MOST_SECONDS = 120


@dataclass
class Tally:
    """Of one stage: how long it takes undisturbed, kills tried, those that met it at work, and defects found."""

    seconds: float
    kills: int = 0
    at_work: int = 0
    defects: list[str] = field(default_factory=list)


def command(ground: Ground, stage: str) -> subprocess.Popen[bytes]:
    """Start a stage in a process group of its own."""
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
    """Kill a stage ``after`` so many seconds; whether it was still at work."""
    with command(ground, stage) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=after)
            return False
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=MOST_SECONDS)
    return process.returncode == -signal.SIGKILL


def content(path: Path) -> Any:
    """What a file must say again: its sha256, but for times, the machine, and hashes of files that tell them."""
    text = path.read_text(encoding="utf-8") if path.suffix in (".json", ".jsonl", ".md", ".html") else ""
    if path.name in ("train.json", "evaluate.json"):
        return _without_times(json.loads(text))
    if path.name == "metrics.jsonl":
        return [_without_times(json.loads(line)) for line in text.splitlines()]
    if path.name == "results.json":
        return re.sub(rf'"(train.json|evaluate.json|metrics.jsonl|sha256)": "{HASH}"|"attempts": \d+', "", text)
    if path.name in ("README.md", "index.html"):
        return re.sub(rf"{HASH}|<dt>attempts</dt><dd>\d+", "", text)
    return sha256_file(path)


def _without_times(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in TIMES}


def files(ground: Ground) -> dict[str, Path]:
    """All files that a stage left, by name; checkpoints apart, which may be of other iterations."""
    names = {path.relative_to(ground.root).as_posix(): path for path in ground.root.rglob("*") if path.is_file()}
    return {
        name: path
        for name, path in names.items()
        if not name.endswith(PASSING) and not name.startswith(("logs/", "checkpoints/"))
    }


def differences(calm: dict[str, Any], ground: Ground) -> list[str]:
    """Files that are missing, too many, or that say something else than on a calm machine."""
    found = {name: content(path) for name, path in files(ground).items()}
    leftovers = [path.name for path in ground.root.glob("checkpoints/**/.*.tmp")]
    return leftovers + sorted(
        name
        for name in calm.keys() | found.keys()
        if name not in calm or name not in found or calm[name] != found[name]
    )


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
            self.calm[step] = {name: content(path) for name, path in files(ground).items()}

    def run(self, kills: int, most_in_a_row: int = 3) -> None:
        """Try ``kills`` kills, up to ``most_in_a_row`` of a stage before it may end, each stage in turn."""
        for stage in itertools.cycle(STAGES):
            row = min(kills, self.random.randint(1, most_in_a_row))
            self._round(stage, row)
            kills -= row
            if not kills:
                return

    def _round(self, stage: str, row: int) -> None:
        tally, place = self.tallies[stage], self.folder / "round"
        ground = self.before[stage].copy(place)
        moments = [self.random.uniform(0, 1.1 * tally.seconds) for _ in range(row)]
        for after in moments:
            tally.kills += 1
            tally.at_work += kill(ground, stage, after)
        wrong = finish(ground, stage) or ", ".join(differences(self.calm[stage], ground))
        if wrong:
            tally.defects.append(f"{stage} killed after {', '.join(f'{after:.2f}' for after in moments)} s: {wrong}")
        shutil.rmtree(place)

    @property
    def defects(self) -> list[str]:
        """What went wrong, a line each."""
        return [defect for tally in self.tallies.values() for defect in tally.defects]

    def table(self) -> str:
        """The tallies as a Markdown table."""
        counts = [(f"`{stage}`", tally.kills, tally.at_work, len(tally.defects)) for stage, tally in self._tallied()]
        total = ("all", *(sum(column) for column in list(zip(*counts, strict=True))[1:]))
        head = "| stage | kills | met it at work | defects |\n|-|-|-|-|\n"
        return head + "".join(f"| {' | '.join(map(str, row))} |\n" for row in [*counts, total])

    def _tallied(self) -> list[tuple[str, Tally]]:
        return [(stage, self.tallies[stage]) for stage in STAGES]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(Path(folder), chosen.seed)
        campaign.run(chosen.kills)
    print(campaign.table(), *campaign.defects, sep="\n")
    if chosen.write:
        write_table("kills", campaign.table())
    return 1 if campaign.defects else 0


if __name__ == "__main__":
    sys.exit(main())
