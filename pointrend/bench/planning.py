"""Planning: what ``snakemake -n`` takes where nothing is to be done, over the number of runs.

The plain figure is the start of Snakemake itself, which nothing here can shorten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pointrend.bench.checkout import checkout
from pointrend.bench.figures import FAST, PLAIN, Figure, Finding, Growth
from pointrend.bench.finished import write_records
from pointrend.bench.timing import interleaved
from pointrend.engines.workflow import Workflow
from pointrend.errors import CheckFailed

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
        with finished_checkout(seeds) as snakemake:
            candidates = {PLAIN: lambda: snakemake("--version"), FAST: lambda: snakemake("-n")}
            timings[6 * seeds] = interleaved(candidates, repeats)
    figures = [Figure(f"snakemake -n, {runs} runs", "plan", 1, timing) for runs, timing in timings.items()]
    growth = {runs: timing[FAST].cpu_s for runs, timing in timings.items()}
    return [*figures, Growth("snakemake -n where nothing is to be done", "s of processor time", "runs", growth)]


@contextmanager
def finished_checkout(seeds: int, *config: str) -> Iterator[Callable[[str], str]]:
    """Snakemake in a copy of the workflow in which every file is there, empty but for the records, and it believes
    that it made them."""
    words = (f"seeds={','.join(map(str, range(seeds)))}", *config)
    options = ("--config", *words)
    with checkout() as snakemake:
        for line in snakemake("--summary", *options).splitlines():
            path = snakemake.folder / line.split("\t")[0]
            if "\t" in line and path.parts[len(snakemake.folder.parts)] in FOLDERS:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch() if path.suffix else path.mkdir(exist_ok=True)
        write_records(Workflow.from_config(dict(word.split("=", 1) for word in words), snakemake.folder))
        snakemake("--touch", "--forceall", "--scheduler", "greedy", *options, program=("-c", WITHOUT_SLEEP))
        if NOTHING not in (said := snakemake("-n", *options)):
            raise CheckFailed("the copied workflow still has something to do", f"snakemake said: {said[-500:]}")
        yield lambda word: snakemake(word, *options)
