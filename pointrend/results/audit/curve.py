"""The losses of one training over its iterations: a published one's from its log, ours from metrics.jsonl.

Both are means over the :data:`LOG_INTERVAL` iterations before, weights applied, so that they can be held against each
other record by record (RECIPE section 16).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pointrend.files import read_json

LOSSES = ("loss", "loss_point", "loss_coarse")
"""As metrics.jsonl calls them; the first is the sum of the others."""
LOG_INTERVAL = 50
"""A published record is written when the number of finished iterations is a multiple of this."""


@dataclass(frozen=True)
class Curve:
    """Mean losses at finished iterations, which rise; ``losses`` has as many values for each of :data:`LOSSES`."""

    epochs: int
    iterations_per_epoch: int
    iterations: list[int]
    losses: dict[str, list[float]]

    def same_schedule(self, epochs: int, iterations_per_epoch: int) -> bool:
        """Whether an iteration here is the same place in the training as one of that schedule."""
        return (self.epochs, self.iterations_per_epoch) == (epochs, iterations_per_epoch)

    def as_json(self) -> dict[str, Any]:
        """For curve.json."""
        return asdict(self)


def read_curve(path: Path) -> Curve:
    """Read a curve.json.

    Raises:
        ResultsError: it is missing or has other keys.
    """
    return Curve(**read_json(path, do="run `pointrend audit RUN --record` again"))


def trained_curve(metrics: bytes, epochs: int, iterations_per_epoch: int) -> Curve:
    """The curve in a metrics.jsonl; records over another number of iterations than published ones are left out."""
    records, before = [], 0
    for record in map(json.loads, metrics.splitlines()):
        if is_comparable(record["iteration"], before):
            records.append(record)
        before = record["iteration"]
    losses = {name: [record[name] for record in records] for name in LOSSES}
    return Curve(epochs, iterations_per_epoch, [record["iteration"] for record in records], losses)


def is_comparable(iteration: int, before: int) -> bool:
    """Whether a record at ``iteration`` is a mean over what a published one would be, the one before it given."""
    return iteration % LOG_INTERVAL == 0 and iteration - before == LOG_INTERVAL
