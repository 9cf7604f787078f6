"""sha256 of a file against the machine's own limit: the same bytes, already in memory, hashed in one call."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from pointrend.bench.figures import FAST, PLAIN, Figure, Finding
from pointrend.bench.timing import interleaved
from pointrend.files import sha256_file

MEGABYTES = 256


def run() -> list[Finding]:
    """Time a file of 256 MB that the system holds in its cache."""
    data = bytes(range(256)) * (MEGABYTES * 4096)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        candidates = {PLAIN: lambda: hashlib.sha256(data).digest(), FAST: lambda: sha256_file(path)}
        return [Figure("sha256, in memory and of a file", "MB", MEGABYTES, interleaved(candidates))]
