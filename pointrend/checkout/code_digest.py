"""Which source files a stage's result follows from, and their joint hash.

The unit is a folder of the package, or one file: a change of a file there redoes the stage, a change elsewhere does
not. The other rooms that a stage's command imports cannot change its result; :data:`ELSEWHERE` gives the reasons.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from pointrend.checkout.sources import PACKAGE, sha256_of_source

SOURCES = {".py", ".css", ".js", ".html"}
PREPARED_FORM = ("datasets/classes.py", "datasets/registry.py", "datasets/store.py", "datasets/{dataset}.py")
CLASSES = PREPARED_FORM[:2]
RESULTS = ("results", "evaluation/confusion.py", "evaluation/counts_file.py", "training/schedule.py", *CLASSES)
# Folders and files of the package, by stage. ``{dataset}`` is the dataset of a run.
UNITS = {
    "draw": ("archives/demo",),
    "prepare": ("commands/prepare.py", "datasets/prepare", *PREPARED_FORM),
    "train": ("commands/train.py", "training", "model", *PREPARED_FORM),
    "evaluate": ("commands/evaluate.py", "evaluation", "model", *PREPARED_FORM),
    "audit": ("commands/audit.py", "results/audit", "results/chain.py", "training/schedule.py", *CLASSES),
    "compare": ("commands/compare.py", *RESULTS),
    "report": ("commands/report.py", *RESULTS, "datasets", "evaluation/pictures.py"),  # all datasets, and their colours
    "track": ("commands/track.py", "tracking", "evaluation/described.py", "evaluation/mistaken.py", *RESULTS),
}
# What a stage's command may import besides its units, and why that cannot change the result.
ELSEWHERE = {
    "__init__.py": "imports the other modules",
    "errors.py": "messages on the screen",
    "files.py": "reads and writes bytes whose hash is checked by whoever uses them",
    "logs.py": "messages on the screen and in log files",
    "terminal.py": "prints tables on the screen",
    "checkout": "describes what computed a result, for the record",
    "settings": "reads values, all of which are part of the fingerprint",
    "engines": "plans jobs and prints the status",
    "jobs": "decides when and where a training runs, not what it computes",
    "commands/arguments.py": "reads the command line",
    "datasets/intact.py": "compares the prepared data with their hashes",
    "datasets/prepare": "makes the prepared data, whose hash is part of the fingerprint",
    "evaluation/validation.py": "scores a training while it runs, which changes no weights",
    "results/audit": "compares the loss with a published curve and prints warnings",
}


@cache
def code_files(stage: str, dataset: str = "") -> tuple[Path, ...]:
    """Files whose change redoes ``stage``, sorted."""
    units = [PACKAGE / unit.format(dataset=dataset) for unit in UNITS[stage]]
    files = {file for unit in units for file in (unit.rglob("*") if unit.is_dir() else [unit])}
    return tuple(sorted(file for file in files if file.suffix in SOURCES and file.is_file()))


@cache
def code_digest(stage: str, dataset: str = "") -> str:
    """sha256 over the relative names and bytes of :func:`code_files`."""
    digest = hashlib.sha256()
    for path in code_files(stage, dataset):
        digest.update(f"{path.relative_to(PACKAGE)}\0{sha256_of_source(path)}\0".encode())
    return digest.hexdigest()
