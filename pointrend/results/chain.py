"""The chain of hashes: what every record states about files.

A record names, by sha256, the files that it was made from or that were written with it. :func:`stated` is the only
reader of these statements: ``pointrend verify`` checks all of them, ``compare`` those of the runs it reads, and both
engines those of the results they would keep.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointrend.files import sha256_file

Record = Mapping[str, Any]  # the content of a JSON file

RESULTS, MANIFEST = "results.json", "manifest.json"
TRAIN, MODEL, METRICS_LOG, CURVE_TABLE = "train.json", "model.safetensors", "metrics.jsonl", "curve.csv"
METRICS, SCORING = "metrics.json", "evaluate.json"
COUNTS, MATRIX = "confusion.parquet", "matrix.parquet"
AUDIT, CURVE = "audit.json", "curve.json"
# the files in the folder of a run, in the order in which they follow from one another; pictures come after them
RUN_FILES = (TRAIN, MODEL, METRICS_LOG, CURVE_TABLE, METRICS, SCORING, COUNTS, MATRIX)


@dataclass(frozen=True)
class Stated:
    """What ``record`` states about ``file``."""

    file: Path
    sha256: str
    record: Path
    bytes: int | None = None
    md5: str | None = None

    def fault(
        self, name: Callable[[Path], object], digest: Callable[[Path], str] = sha256_file, most: int = sys.maxsize
    ) -> str | None:
        """Why the statement is false, in words; None where it holds.

        Of a file with more than ``most`` bytes only the size is compared. ``name`` is how messages call a path.
        """
        if not self.file.is_file():
            return f"{name(self.file)} does not exist"
        size = self.file.stat().st_size
        if self.bytes in (None, size) and (size > most or digest(self.file) == self.sha256):
            return None
        return f"{name(self.file)} is not the one that {name(self.record)} names"


def stated(path: Path, record: Record) -> Iterator[Stated]:
    """What the ``record`` in ``path`` states about files, in the order in which they follow from one another."""
    if path.name == RESULTS:
        yield from stated_of_published(path, record)
        for row in record["runs"]:
            yield from stated_of_row(path, row)
            yield from stated_of_audit(path, row)
        return
    if path.name in _NAMED:
        for name, sha256 in _NAMED[path.name](record).items():
            if sha256 is not None:
                yield Stated(path.parent / name, sha256, path)
        return
    # The manifest of prepared data is beside its files, that of fetched archives beside the folder named after it.
    folder = path.parent if path.name == MANIFEST else path.with_suffix("")
    for name, facts in record["files"].items():
        yield Stated(folder / name, str(facts.get("sha256")), path, facts.get("bytes"), facts.get("md5"))


_NAMED: dict[str, Callable[[Record], dict[str, str | None]]] = {
    TRAIN: lambda record: {MODEL: record["model_sha256"], **record["curves"]},
    SCORING: lambda record: {TRAIN: record["train_sha256"], METRICS: record["metrics_sha256"]},
    METRICS: lambda record: {
        COUNTS: record["sha256"],
        **{f"pictures/{name}": facts["sha256"] for name, facts in record["pictures"].items()},
    },
    AUDIT: lambda record: {CURVE: record["curve_sha256"]},
}


def stated_of_published(path: Path, results: Record) -> Iterator[Stated]:
    """What results.json states about the files in published/."""
    published = results["published"]
    for name, sha256 in ((published["file"], published["sha256"]), *published["data"].items()):
        yield Stated(path.parents[2] / "published" / name, sha256, path)


def stated_of_row(path: Path, row: Record) -> Iterator[Stated]:
    """What a row of results.json states about the files of its run; those of kind ``seeds`` repeat other rows."""
    names = [] if row["kind"] == "seeds" else [name for name in row["hashes"] if "." in name]
    for name in sorted(names, key=lambda name: (RUN_FILES.index(name) if name in RUN_FILES else len(RUN_FILES), name)):
        yield Stated(_runs(path) / folder_name(row) / name, row["hashes"][name], path)


def stated_of_audit(path: Path, row: Record) -> Iterator[Stated]:
    """What a row of results.json states about the audit of the published log of its run."""
    for name, sha256 in (row["audit"]["hashes"] if row["audit"] else {}).items():
        yield Stated(_runs(path) / f"{row['run']}-published" / name, sha256, path)


def folder_name(row: Record) -> str:
    """Name of the folder in ``runs/<scale>/`` with the files of a row; a row of kind ``seeds`` has none of its own."""
    return f"{row['run']}-{'released' if row['kind'] == 'released' else 's' + str(row['seed'])}"


def _runs(results: Path) -> Path:
    return results.parents[2] / "runs" / results.parent.name
