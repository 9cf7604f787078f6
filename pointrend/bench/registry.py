"""The benchmarks by name. Each is a module ``pointrend.bench.<name>`` with ``run() -> list[Finding]``."""

from __future__ import annotations

import importlib

from pointrend.bench.figures import Finding

BENCHES = {
    "loader": "training samples, from files as upstream makes them and from the prepared form",
    "metric": "the confusion matrix, from stored maps and picture by picture",
    "prepare": "decoding and writing the prepared form, one picture after the other and in parallel",
    "planning": "snakemake -n over the number of runs",
    "demo": "the whole demo, its wall time against its processor time over the cores",
    "hash": "sha256 of a file against the same bytes in memory",
    "step": "a training step at full width against plain PyTorch",
    "inference": "segmenting a picture at full width against plain PyTorch, and the memory it takes",
}
ON_GPU = ("step",)
"""Those that use a GPU where there is one; their records bear its name."""


def run_bench(name: str) -> list[Finding]:
    """Run one benchmark; only its own module is imported, so that no other's needs slow it down."""
    return importlib.import_module(f"pointrend.bench.{name}").run()
