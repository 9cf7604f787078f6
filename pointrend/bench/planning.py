"""Planning: what ``snakemake -n`` takes where nothing is to be done, over the number of runs.

The plain figure is the start of Snakemake itself, which nothing here can shorten.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pointrend.bench.figures import FAST, PLAIN, Figure, Finding, Growth
from pointrend.bench.timing import interleaved
from pointrend.code_digest import PACKAGE

ROOT = PACKAGE.parent
COPIED = ("Snakefile", "workflow", "published", "params.yaml")
NOTHING = "Nothing to be done"
SEEDS = (1, 10, 100)
"""Six runs each."""


def run() -> list[Finding]:
    """Plan six runs against Snakemake's start, then six to six hundred."""
    seconds: dict[int, float] = {}
    for seeds in SEEDS:
        with _finished_checkout(seeds) as snakemake:
            candidates = {PLAIN: lambda: snakemake("--version"), FAST: lambda: snakemake("-n")}
            timings = interleaved(candidates, repeats=5 if seeds == SEEDS[0] else 1)
            seconds[6 * seeds] = timings[FAST].cpu_s
            if seeds == SEEDS[0]:
                figure = Figure("snakemake -n, six runs", "plan", 1, timings)
    return [figure, Growth("snakemake -n where nothing is to be done", "s of processor time", "runs", seconds)]


class _Snakemake:
    """Snakemake in one folder, with the same seeds every time."""

    def __init__(self, folder: Path, seeds: int) -> None:
        self._folder = folder
        self._config = ["--config", f"seeds={','.join(map(str, range(seeds)))}"]

    def __call__(self, *words: str) -> str:
        command = [sys.executable, "-m", "snakemake", "--cores", "1", *words, *self._config]
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
            if "\t" in line and path.parts[len(folder.parts)] in ("data", "runs", "results"):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch() if path.suffix else path.mkdir()
        snakemake("--touch")
        if NOTHING not in snakemake("-n"):
            raise RuntimeError("the copied workflow still has something to do")
        yield snakemake
