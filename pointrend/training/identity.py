"""The training that a checkpoint or a list of attempts belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pointrend.errors import TrainingError

KEY = "training"  # in a record


class Identity(NamedTuple):
    """One training: a run, a seed, and the fingerprint of everything that determines the weights."""

    run: str
    seed: int
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.run} seed {self.seed} (fingerprint {str(self.fingerprint)[:16] or 'none'})"

    @property
    def record(self) -> dict[str, Any]:
        """Value of :data:`KEY` in the records of this training."""
        return self._asdict()

    def check(self, record: Mapping[str, Any], path: Path) -> None:
        """Make sure that ``record``, read from ``path``, is of this training.

        Raises:
            TrainingError: it belongs to a different one.
        """
        found = record.get(KEY)
        if found == self.record:
            return
        if isinstance(found, Mapping) and found.keys() == self.record.keys():
            other = str(Identity(**found))
        else:
            other = "another training"
        do = "move it back to the folder that it was copied from, or away, and train again"
        raise TrainingError(f"{path} is of {other}, not of {self}", do)
