"""metrics.jsonl: one JSON object a line, appended while training goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pointrend.errors import TrainingError

CURVES = ("iteration", "lr", "loss", "loss_point", "loss_coarse")


class MetricsLog:
    """An append-only file that a resumed training cuts back to its checkpoint.

    Raises:
        TrainingError: the file does not have the bytes that the checkpoint counted.
    """

    def __init__(self, path: Path, keep_bytes: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        found = path.stat().st_size if path.exists() else 0
        if found < keep_bytes:
            what = f"{path} has {found} bytes, fewer than the {keep_bytes} of its checkpoint"
            raise TrainingError(what, f"remove {path.parent} to train from the beginning")
        self._stream = open(path, "ab")  # noqa: SIM115 closed by close()
        self._stream.truncate(keep_bytes)
        self._stream.seek(0, os.SEEK_END)

    def append(self, record: dict[str, Any]) -> None:
        """Write one record; it reaches the file at once."""
        self._stream.write(json.dumps(record, allow_nan=False).encode() + b"\n")
        self._stream.flush()

    def size(self) -> int:
        """Bytes so far, all of which are on the disk: a checkpoint that counts them must not outlive them."""
        os.fsync(self._stream.fileno())
        return self._stream.tell()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def curve_csv(metrics: bytes) -> str:
    """The curves in a metrics.jsonl as a CSV table, which plotting tools read."""
    records = [json.loads(line) for line in metrics.splitlines()]
    rows = (",".join(str(record[key]) for key in CURVES) for record in records)
    return "\n".join([",".join(CURVES), *rows]) + "\n"
