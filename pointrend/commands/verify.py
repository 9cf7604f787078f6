"""Recompute every hash and every mIoU that the results of a scale rest on, from the archives to the pages.

Exits 3 and names the first wrong file. Files that are not on this machine, different code and a
different commit are only noted.

--crate checks a crate instead, and reads no results of this checkout. With --signed-by every manifest in the
crate must be signed by a key in an allowed-signers file of ssh-keygen.

examples:
  pointrend verify
  pointrend verify --crate results.crate.zip --signed-by allowed_signers
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pointrend.errors import ParamsError
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    parser.add_argument("--crate", metavar="FILE", type=Path, help="a file written by `pointrend crate`")
    parser.add_argument(
        "--signed-by", metavar="FILE", type=Path, help="with --crate: allowed-signers file of those whom you trust"
    )


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Walk the chain of the current scale, or check a crate."""
    if arguments.crate is not None:
        from pointrend.results.crate.build import read_crate
        from pointrend.results.crate.signing import signers

        crate = read_crate(arguments.crate)
        print("\n".join((*crate.lines, *signers(crate.files, arguments.signed_by))))
        return
    if arguments.signed_by is not None:
        raise ParamsError("--signed-by needs --crate", "name the crate, or leave --signed-by out")

    from pointrend.results.verify import Verification

    verification = Verification(project)
    verification.walk()
    for note in verification.notes:
        print(f"note: {note}")
    print(f"{len(verification.files)} files and {verification.mious} mIoU recomputed from their counts: all match")
