"""Checks that the jobs of an engine use the same params.yaml and the same code as the engine itself.

An engine plans with the params.yaml and the code of its folder. Its jobs are `pointrend` from the PATH, which reads the
file that POINTREND_PARAMS names.
"""

from __future__ import annotations

import os
from pathlib import Path

from pointrend.checkout.code_digest import PACKAGE
from pointrend.errors import MachineError, ParamsError

PARAMS_VARIABLE = "POINTREND_PARAMS"
NEEDED = ("params.yaml", "published")  # files that the workflow reads from its working folder


def check_folder(root: Path, home: Path) -> None:
    """Make sure that the workflow, whose Snakefile is in ``home``, is started in a checkout.

    Raises:
        ParamsError: ``root`` is not one; the message names the right folder.
    """
    for name in NEEDED:
        if not (root / name).exists():
            what = f"{root} has no {name}, so the workflow cannot run there"
            raise ParamsError(what, f"go to the project's folder: cd {home}")


def check_params_variable(root: Path) -> None:
    """Make sure that the jobs of an engine in ``root`` read the params.yaml that the engine reads.

    Raises:
        ParamsError: the environment names another file.
    """
    named, read = os.environ.get(PARAMS_VARIABLE), root / "params.yaml"
    if named and Path(named).resolve() != read.resolve():
        what = f"{PARAMS_VARIABLE} names {named}, but Snakemake and DVC use {read.resolve()}"
        raise ParamsError(what, f"unset {PARAMS_VARIABLE}, and define the runs in params.yaml")


def check_stage(engine: str, root: Path) -> None:
    """The checks of a job that ``engine`` has started in ``root``.

    Raises:
        ParamsError: as above.
        MachineError: DVC tracks the code in ``root``, but different code is running.
    """
    check_params_variable(root)
    ours = root / PACKAGE.name
    if engine != "dvc" or not ours.is_dir() or PACKAGE.samefile(ours):
        return
    for file in sorted(PACKAGE.rglob("*.py")):
        tracked = ours / file.relative_to(PACKAGE)
        if not tracked.is_file() or tracked.read_bytes() != file.read_bytes():
            what = f"the pointrend on the PATH runs {file}, which differs from the code in {root} that DVC tracks"
            raise MachineError(what, "activate the environment of this checkout: . .venv/bin/activate")
