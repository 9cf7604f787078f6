"""metrics.jsonl: one JSON object a line, appended while training goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

CURVES = ("iteration", "lr", "loss", "loss_point", "loss_coarse")


class MetricsLog:
    """An append-only file that a resumed training cuts back to its checkpoint."""

    def __init__(self, path: Path, keep_bytes: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = open(path, "ab")  # noqa: SIM115 closed by close()
        self._stream.truncate(keep_bytes)
        self._stream.seek(0, os.SEEK_END)

    def append(self, record: dict[str, Any]) -> None:
        """Write one record; it reaches the file at once."""
        self._stream.write(json.dumps(record, allow_nan=False).encode() + b"\n")
        self._stream.flush()

    def size(self) -> int:
        """Bytes so far."""
        return self._stream.tell()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def curve_csv(metrics: bytes) -> str:
    """The curves in a metrics.jsonl as a CSV table, which plotting tools read."""
    records = [json.loads(line) for line in metrics.splitlines()]
    rows = (",".join(str(record[key]) for key in CURVES) for record in records)
    return "\n".join([",".join(CURVES), *rows]) + "\n"
