"""The losses of trainings over their iterations, and the band in which those of another training are expected.

A published curve comes from a log, ours from metrics.jsonl. Both are means over the :data:`LOG_INTERVAL` iterations
before, weights applied, so that they can be compared record by record (RECIPE section 16). docs/audit.md gives the
reasoning behind the band.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointrend.files import read_json
from pointrend.settings.project import LOSSES

LOG_INTERVAL = 50  # a published record is written when the number of finished iterations is a multiple of this
CENTRE_RECORDS = 21  # records around one through which a line is laid, the centre of the band at that record
SCATTER_RECORDS = 51  # records around one from which its scatter is measured
REACH = 3.0  # scatters from the centre to the ends of the band
LEAST_RECORDS = CENTRE_RECORDS  # a shorter curve has no band
SMALLEST = 1e-4  # loss, and scatter as a share of it, below which four logged decimals do not suffice
_MAD_TO_SIGMA = 1.4826
# A curve has left for long when MANY of its RECENT records are outside on one side, and is back with FEW there.
RECENT, MANY, FEW = 15, 10, 2
SIDES = {-1: "below", 1: "above"}

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Mean losses at finished iterations, which rise; ``losses`` has as many values for each of :data:`LOSSES`."""

    epochs: int
    iterations_per_epoch: int
    iterations: list[int]
    losses: dict[str, list[float]]

    def same_schedule(self, epochs: int, iterations_per_epoch: int) -> bool:
        """Whether an iteration of this curve is at the same point of the training as in that schedule."""
        return (self.epochs, self.iterations_per_epoch) == (epochs, iterations_per_epoch)


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
        if LOSSES[0] not in record:  # the mIoU on a part of val
            continue
        if is_comparable(record["iteration"], before):
            records.append(record)
        before = record["iteration"]
    losses = {name: [record[name] for record in records] for name in LOSSES}
    return Curve(epochs, iterations_per_epoch, [record["iteration"] for record in records], losses)


def is_comparable(iteration: int, before: int) -> bool:
    """Whether a record at ``iteration`` is a mean over the same iterations as a published one, given the one before."""
    return iteration % LOG_INTERVAL == 0 and iteration - before == LOG_INTERVAL


def band(losses: Sequence[float]) -> tuple[Values, Values]:
    """Lower and upper end (N,) of the band around a curve of N mean losses, in the order of their iterations.

    Raises:
        ValueError: there are fewer than :data:`LEAST_RECORDS`.
    """
    if len(losses) < LEAST_RECORDS:
        raise ValueError(f"{len(losses)} records are too few for a band")
    # In logarithms, because a loss scatters by a share of itself, and falls by much in its first records.
    values = np.log(np.maximum(np.asarray(losses, np.float64), SMALLEST))
    centre = _centre(values)
    reach = REACH * _scatter(values - centre)
    return np.exp(centre - reach), np.exp(centre + reach)


def _centre(values: Values) -> Values:
    """At each record the height of a line through those around it, by medians alone (Theil 1950, Sen 1968).

    Its slope is the median of the slopes between all pairs, so that a few odd records do not move it. A running median
    without a slope would follow every single record where the curve falls steeply.
    """
    windows, place, near = _around(values, CENTRE_RECORDS)
    first, second = np.triu_indices(CENTRE_RECORDS, 1)
    slopes = np.median((windows[:, second] - windows[:, first]) / (second - first), axis=1)[:, None]
    heights = np.median(windows - slopes * np.arange(CENTRE_RECORDS), axis=1)
    return heights[near] + slopes[near, 0] * place


def _scatter(residuals: Values) -> Values:
    """Standard deviation of a record's logarithm, from the median absolute deviation of those around it."""
    windows, _, near = _around(residuals, min(SCATTER_RECORDS, len(residuals)))
    middle = np.median(windows, axis=1, keepdims=True)
    return np.maximum(_MAD_TO_SIGMA * np.median(np.abs(windows - middle), axis=1), SMALLEST)[near]


def _around(values: Values, width: int) -> tuple[Values, NDArray[np.int64], NDArray[np.int64]]:
    """All windows (W, width), and for each record its place in its window and the number of that window.

    A record in the middle has its window around it, one near an end shares the window at that end.
    """
    windows = np.lib.stride_tricks.sliding_window_view(values, width)
    records = np.arange(len(values))
    near = np.clip(records - width // 2, 0, len(windows) - 1)
    return windows, records - near, near


@dataclass(frozen=True)
class Change:
    """A loss that has left the band for long (``left``) or is back, as seen at ``iteration``."""

    loss: str
    side: str
    iteration: int
    left: bool

    def __str__(self) -> str:
        where, long = (f"has been {self.side}", " for long") if self.left else ("is back in", "")
        return f"{self.loss} {where} the band of the published curve{long}, as of iteration {self.iteration}"


class Watch:
    """Takes our records in their order and reports when a loss leaves the band for long, and when it is back.

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
    enough = all(len(losses) >= LEAST_RECORDS for losses in published.losses.values())
    if not enough or not published.same_schedule(ours.epochs, ours.iterations_per_epoch):
        return None
    watch, changes = Watch(published), list[Change]()
    for place, iteration in enumerate(ours.iterations):
        changes += watch.take(iteration, {name: ours.losses[name][place] for name in LOSSES})
    if not watch.records:
        return None
    return {
        "records": watch.records,
        "inside": {name: count / watch.records for name, count in watch.inside.items()},
        "departures": [asdict(change) for change in changes],
    }
