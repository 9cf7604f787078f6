"""What a benchmark found: figures, how a cost grows, and what it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pointrend.bench.timing import Timing

PLAIN, FAST = "plain", "fast"
"""The two candidates of a ratio: the obvious way to do it, and ours."""


@dataclass(frozen=True)
class Figure:
    """One thing, timed in several ways (or in one, where there is nothing to hold it against).

    A run of a candidate handled ``count`` things of the kind ``unit``. ``facts`` are what the figure holds for, for
    example ``{"run": "voc_r50", "images_per_gpu": 4}``.
    """

    name: str
    unit: str
    count: int
    timings: Mapping[str, Timing]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def milliseconds(self, candidate: str = FAST) -> float:
        """Wall time for one thing."""
        return 1e3 * self.timings[candidate].median_s / self.count

    def ratio(self) -> float | None:
        """How many times as fast as the plain way, in wall time; None where that was not timed."""
        return self._ratio("median_s")

    def cpu_ratio(self) -> float | None:
        """How many times less processor time than the plain way takes; None where that was not timed."""
        return self._ratio("cpu_s")

    def record(self) -> dict[str, Any]:
        """As in the JSON record."""
        return {
            "name": self.name,
            "unit": self.unit,
            "count": self.count,
            "facts": dict(self.facts),
            "timings": {name: asdict(timing) for name, timing in self.timings.items()},
            "milliseconds": {name: self.milliseconds(name) for name in self.timings},
            "ratio": self.ratio(),
            "cpu_ratio": self.cpu_ratio(),
        }

    def _ratio(self, what: str) -> float | None:
        if PLAIN not in self.timings or FAST not in self.timings:
            return None
        return float(getattr(self.timings[PLAIN], what) / max(getattr(self.timings[FAST], what), 1e-9))


@dataclass(frozen=True)
class Growth:
    """How ``name``, in ``unit``, changes with the number of ``over``: values by that number."""

    name: str
    unit: str
    over: str
    values: Mapping[int, float]

    def record(self) -> dict[str, Any]:
        """As in the JSON record; its keys are texts."""
        values = {str(number): value for number, value in self.values.items()}
        return {"name": self.name, "unit": self.unit, "over": self.over, "values": values}


@dataclass(frozen=True)
class Shares:
    """What ``name`` spends its time on: shares of 1 by operator, the largest first, and the rest."""

    name: str
    values: Mapping[str, float]

    def record(self) -> dict[str, Any]:
        """As in the JSON record."""
        return {"name": self.name, "shares": dict(self.values)}


Finding = Figure | Growth | Shares
