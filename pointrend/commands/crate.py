"""Write the results of the current scale, and what they follow from, as one file that a stranger can check.

It is a Workflow Run RO-Crate with its own verifier. Weights, prepared data and archives are in it by
sha256 only. --sign signs its manifest with an OpenSSH key; a .pub file names a key in the agent.

examples:
  pointrend crate --out results.crate.zip
  pointrend --scale paper crate voc_r50 --sign ~/.ssh/id_ed25519
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pointrend.commands.arguments import check_out
from pointrend.errors import ParamsError
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    parser.add_argument("runs", metavar="RUN", nargs="*", help="runs whose files are in it; default: all")
    out = "the file to write; default: results.crate.zip"
    parser.add_argument("--out", metavar="FILE", type=Path, default=Path("results.crate.zip"), help=out)
    parser.add_argument("--sign", metavar="KEY", type=Path, help="an OpenSSH key")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Write a crate, and check it as a stranger would."""
    out, params = arguments.out, project.params
    check_out(project, out)
    if out.exists():
        raise ParamsError(f"{out} exists", "remove it, or name another file with --out")
    runs = [params.known("run", name, params.runs) for name in arguments.runs or params.runs]

    from pointrend.engines.performed import performed
    from pointrend.results.crate.build import contents, write_crate

    files = contents(project, performed(project, runs))
    lines = write_crate(out, files, "", arguments.sign)
    print("\n".join((*lines, f"{out}: {len(files)} files, {out.stat().st_size / 1e6:.1f} MB")))
