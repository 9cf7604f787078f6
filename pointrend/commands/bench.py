"""Time what takes long, each figure against the plain way to do it, interleaved on this machine.

Writes benchmarks/<what>_<machine>_<date>.json and the table in docs/performance.md, which says what the figures mean.
With --json the record is also printed, without it the table.

examples:
  pointrend bench hash
"""

from __future__ import annotations

import argparse
import json

from pointrend.bench.record import gpu_name, record_of, table, update_table, write_record
from pointrend.bench.registry import BENCHES, ON_GPU, run_bench
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    parser.add_argument("what", metavar="WHAT", help=", ".join(BENCHES))
    parser.add_argument("--json", action="store_true", help="print the record as JSON")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Run one benchmark and keep its figures."""
    what = project.params.known("benchmark", arguments.what, BENCHES)
    record = record_of(what, run_bench(what), gpu_name() if what in ON_GPU else None)
    write_record(project.root / "benchmarks", record)
    update_table(project.root / "docs" / "performance.md", record)
    print(json.dumps(record, indent=2) if arguments.json else table(record))
