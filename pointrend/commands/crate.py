"""Pack the results of the current scale and the files behind them into one zip that anyone can check.

The zip is a Workflow Run RO-Crate and contains its verifier. Weights, prepared data and archives are only
listed, with their sha256. --sign signs the list of all files.

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
    parser.add_argument("runs", metavar="RUN", nargs="*", help="runs whose files are included; default: all")
    out = "the file to write; default: results.crate.zip"
    parser.add_argument("--out", metavar="FILE", type=Path, default=Path("results.crate.zip"), help=out)
    parser.add_argument(
        "--sign", metavar="KEY", type=Path, help="sign with this OpenSSH key; a .pub file names a key in ssh-agent"
    )


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Write a crate, and check it with its own verifier."""
    out, params = arguments.out, project.params
    check_out(project, out)
    if out.exists():
        raise ParamsError(f"{out} already exists", "remove it, or name another file with --out")
    runs = [params.known("run", name, params.runs) for name in arguments.runs or params.runs]

    from pointrend.engines.performed import performed
    from pointrend.results.crate.build import contents, write_crate

    files = contents(project, performed(project, runs))
    lines = write_crate(out, files, "", arguments.sign)
    print("\n".join((*lines, f"{out}: {len(files)} files, {out.stat().st_size / 1e6:.1f} MB")))
