"""A copy of the workflow in a folder of its own, for benchmarks that run Snakemake."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pointrend.checkout.code_digest import PACKAGE
from pointrend.errors import CheckFailed

ROOT = PACKAGE.parent
COPIED = ("Snakefile", "workflow", "published", "params.yaml")
OF_THE_USER = ("POINTREND_", "MLFLOW_", "SNAKEMAKE_")
"""What the environment says about the user's own archives, pins, profile and server is not for a benchmark."""


class Checkout:
    """The copy; calling it runs Snakemake there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str, program: Sequence[str] = ("-m", "snakemake")) -> str:
        """What Snakemake says, given ``words``; ``program`` are the words with which Python starts it.

        Raises:
            CheckFailed: it fails.
        """
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OF_THE_USER)}
        ran = subprocess.run(  # noqa: S603 our own interpreter, no shell
            [sys.executable, *program, "--cores", "all", *words],
            cwd=self.folder,
            env=kept | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        if ran.returncode:
            raise CheckFailed(
                f"snakemake {' '.join(words)} failed in a copy of the workflow", f"it said: {ran.stderr[-500:]}"
            )
        return ran.stdout + ran.stderr


@contextmanager
def checkout() -> Iterator[Checkout]:
    """A copy with nothing done yet, which is removed in the end."""
    with tempfile.TemporaryDirectory(prefix="pointrend-bench-") as name:
        for part in COPIED:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, Path(name) / part)
        yield Checkout(Path(name))
