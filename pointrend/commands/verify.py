"""Recompute every hash and every mIoU that the results of a scale rest on, from the archives to the pages.

Exits 3 and names the first wrong file. Files that are not on this machine, different code and different settings are
only noted: this checks bytes.

examples:
  pointrend verify
"""

from __future__ import annotations

import argparse

from pointrend.results.verify import Verification
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This verb has no arguments of its own."""


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Walk the chain of the current scale."""
    verification = Verification(project)
    verification.walk()
    for note in verification.notes:
        print(f"note: {note}")
    print(f"{len(verification.files)} files and {verification.mious} mIoU recomputed from their counts: all match")
