"""Planning: what ``snakemake -n`` takes where nothing is to be done, over the number of runs.

The plain figure is the start of Snakemake itself, which nothing here can shorten.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pointrend.bench.figures import FAST, PLAIN, Figure, Finding, Growth
from pointrend.bench.timing import interleaved
from pointrend.code_digest import PACKAGE

ROOT = PACKAGE.parent
COPIED = ("Snakefile", "workflow", "published", "params.yaml")
FOLDERS = ("data", "runs", "results", "logs")
NOTHING = "Nothing to be done"
SEEDS = {1: 5, 10: 3, 100: 3}
"""Six runs each, and how often each is timed."""
WITHOUT_SLEEP = """
from snakemake.cli import main
from snakemake.executors.touch import Executor
Executor.SLEEPING_TIME = 0
main()
"""
"""Snakemake waits a tenth of a second for every job that it marks as done; two minutes for 600 runs."""


def run() -> list[Finding]:
    """Plan six to six hundred runs, all of them done, against Snakemake's start."""
    timings = {}
    for seeds, repeats in SEEDS.items():
        with _finished_checkout(seeds) as snakemake:
            candidates = {PLAIN: lambda: snakemake("--version"), FAST: lambda: snakemake("-n")}
            timings[6 * seeds] = interleaved(candidates, repeats)
    figures = [Figure(f"snakemake -n, {runs} runs", "plan", 1, timing) for runs, timing in timings.items()]
    growth = {runs: timing[FAST].cpu_s for runs, timing in timings.items()}
    return [*figures, Growth("snakemake -n where nothing is to be done", "s of processor time", "runs", growth)]


class _Snakemake:
    """Snakemake in one folder, with the same seeds every time."""

    def __init__(self, folder: Path, seeds: int) -> None:
        self._folder = folder
        self._config = ["--config", f"seeds={','.join(map(str, range(seeds)))}"]

    def __call__(self, *words: str, program: Sequence[str] = ("-m", "snakemake")) -> str:
        command = [sys.executable, *program, "--cores", "all", *words, *self._config]
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        ran = subprocess.run(  # noqa: S603 our own interpreter, no shell
            command, cwd=self._folder, env=env, capture_output=True, text=True, check=True
        )
        return ran.stdout + ran.stderr


@contextmanager
def _finished_checkout(seeds: int) -> Iterator[_Snakemake]:
    """A copy of the workflow in which every file is there, empty, and Snakemake believes that it made them."""
    with tempfile.TemporaryDirectory(prefix="pointrend-bench-") as name:
        folder = Path(name)
        for part in COPIED:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, folder / part)
        snakemake = _Snakemake(folder, seeds)
        for line in snakemake("--summary").splitlines():
            path = folder / line.split("\t")[0]
            if "\t" in line and path.parts[len(folder.parts)] in FOLDERS:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch() if path.suffix else path.mkdir()
        snakemake("--touch", "--forceall", "--scheduler", "greedy", program=("-c", WITHOUT_SLEEP))
        if NOTHING not in (said := snakemake("-n")):
            raise RuntimeError(f"the copied workflow still has something to do:\n{said}")
        yield snakemake
