"""metrics.jsonl: one JSON object a line, appended while training goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pointrend.files import Fence, write_bytes

CURVES = ("iteration", "lr", "loss", "loss_point", "loss_coarse")


class MetricsLog:
    """The records so far, and a file in which others can follow them.

    What counts is in memory and in every checkpoint. The file is made anew where a training begins or goes on: an
    earlier holder of the lease then has a file open that has no name any more.
    """

    def __init__(self, path: Path, before: bytes, fence: Fence | None = None) -> None:
        self._content, self._fence = bytearray(before), fence
        write_bytes(path, before, fence)
        self._stream = open(path, "ab")  # noqa: SIM115 closed by close()

    def append(self, record: dict[str, Any]) -> None:
        """Write one record; it reaches the file at once."""
        line = json.dumps(record, allow_nan=False).encode() + b"\n"
        if self._fence:
            self._fence.check()
        self._content += line
        self._stream.write(line)
        self._stream.flush()

    def content(self) -> bytes:
        """All records so far, as the file has them."""
        return bytes(self._content)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def curve_csv(metrics: bytes) -> str:
    """The curves in a metrics.jsonl as a CSV table, which plotting tools read."""
    records = [json.loads(line) for line in metrics.splitlines()]
    rows = (",".join(str(record[key]) for key in CURVES) for record in records)
    return "\n".join([",".join(CURVES), *rows]) + "\n"
