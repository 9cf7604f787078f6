"""Where an engine is started, and with which environment: refused where its jobs would not see what it sees.

An engine plans from the params.yaml and the code of its folder. Its jobs are `pointrend` from the PATH, which reads the
file that POINTREND_PARAMS names.
"""

from __future__ import annotations

import os
from pathlib import Path

from pointrend.checkout.code_digest import PACKAGE
from pointrend.errors import MachineError, ParamsError

PARAMS_VARIABLE = "POINTREND_PARAMS"
NEEDED = ("params.yaml", "published")
"""What the workflow reads in the folder that it is started in."""


def check_folder(root: Path, home: Path) -> None:
    """Make sure that the workflow, whose Snakefile is in ``home``, is started in a checkout.

    Raises:
        ParamsError: ``root`` is none; the folder to go to is named.
    """
    for name in NEEDED:
        if not (root / name).exists():
            do = f"go to the project's folder: cd {home}"
            raise ParamsError(f"{root} has no {name}, so the workflow cannot run there", do)


def check_params_variable(root: Path) -> None:
    """Make sure that the jobs of an engine in ``root`` read the params.yaml that the engine reads.

    Raises:
        ParamsError: the environment names another file.
    """
    named, read = os.environ.get(PARAMS_VARIABLE), root / "params.yaml"
    if named and Path(named).resolve() != read.resolve():
        what = f"{PARAMS_VARIABLE} names {named}, but Snakemake and DVC go by {read.resolve()}"
        raise ParamsError(what, f"unset {PARAMS_VARIABLE}, and write into params.yaml what is to be run")


def check_stage(engine: str, root: Path) -> None:
    """What a job that ``engine`` has started in ``root`` makes sure of before it begins.

    Raises:
        ParamsError: as above.
        MachineError: DVC goes by the code in ``root``, but other code is running.
    """
    check_params_variable(root)
    ours = root / PACKAGE.name
    if engine != "dvc" or not ours.is_dir() or PACKAGE.samefile(ours):
        return
    for file in sorted(PACKAGE.rglob("*.py")):
        there = ours / file.relative_to(PACKAGE)
        if not there.is_file() or there.read_bytes() != file.read_bytes():
            what = f"the pointrend on the PATH runs {file}, which is not the one in {root}, and DVC goes by that"
            raise MachineError(what, "activate the environment of this checkout: . .venv/bin/activate")
