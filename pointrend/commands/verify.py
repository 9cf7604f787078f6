"""Recompute every hash and every mIoU that the results of a scale rest on, from the archives to the pages.

Exits 3 and names the first file that is not what it should be. Files that are not on this machine are noted, and so are
other code and other settings: this checks bytes.

examples:
  pointrend verify
"""

from __future__ import annotations

import argparse

from pointrend.results.chain import Chain
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This verb has no arguments of its own."""


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Walk the chain of the current scale."""
    chain = Chain(project)
    chain.walk()
    for note in chain.notes:
        print(f"note: {note}")
    print(f"{len(chain.files)} files and {chain.mious} mIoU recomputed from their counts: all hold")
