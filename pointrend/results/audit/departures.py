"""Our losses held against the band of published ones: which lie inside, and when they leave it for long."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pointrend.results.audit.band import band
from pointrend.results.audit.curve import LOSSES, Curve

RECENT, MANY, FEW = 15, 10, 2
"""A curve has left for long when MANY of its RECENT records lie outside on one side, and is back with FEW there."""
SIDES = {-1: "below", 1: "above"}


@dataclass(frozen=True)
class Change:
    """A loss that has left the band for long (``left``) or is back, as seen at ``iteration``."""

    loss: str
    side: str
    iteration: int
    left: bool

    def __str__(self) -> str:
        place = f"as of iteration {self.iteration}"
        if self.left:
            return f"{self.loss} has been {self.side} the band of the published curve for long, {place}"
        return f"{self.loss} is back in the band of the published curve, {place}"


class Watch:
    """Takes our records in their order and says when a loss leaves the band for long, and when it is back.

    Raises:
        ValueError: the published curve has too few records for a band.
    """

    def __init__(self, published: Curve) -> None:
        self._places = {iteration: place for place, iteration in enumerate(published.iterations)}
        self._bands = {name: band(published.losses[name]) for name in LOSSES}
        self._recent: dict[str, deque[int]] = {name: deque(maxlen=RECENT) for name in LOSSES}
        self._away = dict.fromkeys(LOSSES, 0)
        self.records = 0
        self.inside = dict.fromkeys(LOSSES, 0)

    def take(self, iteration: int, losses: Mapping[str, float]) -> list[Change]:
        """What changed with the mean losses at ``iteration``; nothing where nothing was published for it."""
        place = self._places.get(iteration)
        if place is None:
            return []
        self.records += 1
        return [change for name in LOSSES if (change := self._take(name, iteration, place, losses[name])) is not None]

    def _take(self, name: str, iteration: int, place: int, value: float) -> Change | None:
        low, high = (ends[place] for ends in self._bands[name])
        side = int(value > high) - int(value < low)
        self.inside[name] += side == 0
        recent, away = self._recent[name], self._away[name]
        recent.append(side)
        if away and recent.count(away) <= FEW:
            self._away[name] = 0
            return Change(name, SIDES[away], iteration, left=False)
        left = next((side for side in SIDES if recent.count(side) >= MANY), 0)
        if away or not left:
            return None
        self._away[name] = left
        return Change(name, SIDES[left], iteration, left=True)


def compare_curves(ours: Curve, published: Curve) -> dict[str, Any] | None:
    """How far our curve follows the published one; None where they have no record in common that can be compared.

    ``records`` compared, the share of them ``inside`` the band by loss, and every lasting departure and return.
    """
    if not published.same_schedule(ours.epochs, ours.iterations_per_epoch):
        return None
    try:
        watch = Watch(published)
    except ValueError:
        return None
    changes: list[Change] = []
    for place, iteration in enumerate(ours.iterations):
        changes += watch.take(iteration, {name: ours.losses[name][place] for name in LOSSES})
    if not watch.records:
        return None
    return {
        "records": watch.records,
        "inside": {name: count / watch.records for name, count in watch.inside.items()},
        "departures": [asdict(change) for change in changes],
    }
