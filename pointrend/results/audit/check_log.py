"""A published training log compared with our recipe: what it proves, and the first record that differs.

From a log follow, without a GPU, the number of images, of epochs and of iterations per epoch, every 50th learning
rate to float precision, and whether the training was resumed (RECIPE section 16).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Any

from pointrend.results.audit.check_config import NOT_STATED, Comparison
from pointrend.results.audit.curves import LOG_INTERVAL
from pointrend.results.audit.logs import Header, Record, Session, TrainingLog
from pointrend.settings.params import RunSetting
from pointrend.training.schedule import iterations_per_epoch, learning_rate

MODEL = "pointrend"
MOST_LR_ERROR = 1e-9  # relative; a log has every digit of a rate, so only the order of the arithmetic can differ
LEAST_RATE = 1e-12  # replaces a rate of zero, with which a warm-up may begin
MOST_ROUNDING = 0.5e-4  # rounding error of a loss, which is written with four decimals
LOG_KEYS = (
    *("images", "epochs", "iterations_per_epoch", "gpus", "records", "other_lines", "first_other_line"),
    *("max_lr_error", "resumed", "seconds_per_iteration"),
)
GPUS: dict[str | None, str] = {
    None: "one GPU or several: both have as many iterations per epoch",
    "one": "one GPU",
    "several": "several GPUs",
}


@dataclass(frozen=True)
class LogDifference:
    """Where a log first disagrees about ``key``, and how many of its records do."""

    file: str
    line: int
    record: str
    key: str
    ours: Any
    theirs: Any
    records: int = 1

    def __str__(self) -> str:
        place = f"{self.file} line {self.line}, {self.record!r}: {self.key} {self.theirs}, ours {self.ours}"
        return place if self.records == 1 else f"{place} (the first of {self.records})"


@dataclass(frozen=True)
class LogFindings:
    """What ``log`` states, and where it disagrees.

    ``facts`` has these keys. ``images``: None where the log does not state them. ``gpus``: ``one`` or ``several``, None
    where both give equal iterations per epoch. ``max_lr_error``: the largest relative difference of a learning rate;
    None where no record is within the training. ``seconds_per_iteration``: median; None where no two records follow
    each other. ``epochs``, ``iterations_per_epoch``, ``records``, ``other_lines``, ``first_other_line``, ``resumed``.
    """

    log: TrainingLog
    facts: dict[str, Any]
    rows: list[Comparison]
    differences: list[LogDifference]

    def notes(self) -> Iterator[str]:
        """What a log proves besides, a sentence each."""
        facts, last = self.facts, self.log.records[-1]
        first = f", the first: {facts['first_other_line']}" if facts["other_lines"] else ""
        yield f"{facts['records']:,} records, {facts['other_lines']:,} other lines{first}"
        yield f"the last record: epoch {last.epoch}, batch {last.batch} (line {last.line})"
        yield f"trained on {GPUS[facts['gpus']]}"
        yield "resumed or started again" if facts["resumed"] else "not resumed"
        if facts["seconds_per_iteration"] is not None:
            yield f"{facts['seconds_per_iteration']:.3f} s per iteration (median)"
        if self.log.cut_lines:
            yield "cut: a record is not whole and was left out"


def check_log(log: TrainingLog, setting: RunSetting, images: int) -> LogFindings:
    """Compare ``log`` with the recipe in ``setting`` on ``images`` training images."""
    first, check = log.records[0], _Check(log, setting, images)
    errors = [error for record in log.records if (error := check.lr_error(record)) is not None]
    values = (
        next((int(header.values["images"]) for header in log.headers if "images" in header.values), None),
        *(first.epochs, first.batches, check.gpus, len(log.records), len(log.other_lines)),
        next((f"line {number}: {line!r}" for number, line in log.other_lines.items()), None),
        *(max(errors, default=None), _resumed(log), _seconds_per_iteration(log)),
    )
    facts = dict(zip(LOG_KEYS, values, strict=True))
    differences = _by_key(check.all_differences())
    ours = {"images": images, "epochs": setting.recipe.epochs, "iterations per epoch": check.iterations}
    differing = {difference.key for difference in differences}
    rows = [
        Comparison(key, value, NOT_STATED, None)
        if (theirs := facts[key.replace(" ", "_")]) is None
        else Comparison(key, value, theirs, key not in differing)
        for key, value in ours.items()
    ]
    most = f"off by {max(errors):.1e} at most" if errors else "none to compare"
    rows.append(
        Comparison("learning rate", f"within {MOST_LR_ERROR:.0e} relative", most, "learning rate" not in differing)
    )
    return LogFindings(log, facts, rows, differences)


class _Check:
    """Our recipe, as far as a log can contradict it."""

    def __init__(self, log: TrainingLog, setting: RunSetting, images: int) -> None:
        recipe, theirs = setting.recipe, log.records[0].batches
        counts = {
            gpus: iterations_per_epoch(images, gpus, recipe.batch_size)
            for gpus in range(1, recipe.batch_size + 1)
            if recipe.batch_size % gpus == 0
        }
        one, several = counts[1], {count for gpus, count in counts.items() if gpus > 1}
        # The number of processes is no part of the recipe: any that shares the batch evenly will do.
        as_recipe = theirs in counts.values()
        self.iterations = theirs if as_recipe else counts[recipe.gpus]
        unclear = not as_recipe or (theirs == one and one in several)
        self.gpus = None if unclear else "one" if theirs == one else "several"
        self.log, self.recipe, self.images, self.total = log, recipe, images, recipe.epochs * self.iterations
        self.names = {"dataset": setting.dataset, "model": MODEL, "backbone": f"resnet{setting.depth}"}

    def all_differences(self) -> Iterator[LogDifference]:
        """Everything that disagrees, in no particular order."""
        for header in self.log.headers:
            images = int(header.values.get("images") or self.images)
            yield from self._unequal(header, "images", self.images, images)
            yield from self._names(header, header.values)
        for session in self.log.sessions:
            yield from self._order(session)
        for record in self.log.records:
            yield from self._record(record)

    def lr_error(self, record: Record) -> float | None:
        """Relative difference of the logged learning rate; None for a record beyond the end of our training."""
        ours = self._learning_rate(record)
        return None if ours is None else abs(record.learning_rate - ours) / max(ours, LEAST_RATE)

    def _learning_rate(self, record: Record) -> float | None:
        iteration = record.finished - 1
        return learning_rate(self.recipe, iteration, self.total) if 0 <= iteration < self.total else None

    def _difference(self, place: Header | Record, key: str, ours: Any, theirs: Any) -> LogDifference:
        return LogDifference(str(self.log.path), place.line, place.text, key, ours, theirs)

    def _unequal(self, place: Header | Record, key: str, ours: Any, theirs: Any) -> Iterator[LogDifference]:
        if ours != theirs:
            yield self._difference(place, key, ours, theirs)

    def _names(self, place: Header | Record, theirs: Mapping[str, Any]) -> Iterator[LogDifference]:
        for key, ours in self.names.items():
            yield from self._unequal(place, key, ours, theirs.get(key) or ours)

    def _record(self, record: Record) -> Iterator[LogDifference]:
        yield from self._names(record, vars(record))
        yield from self._unequal(record, "epochs", self.recipe.epochs, record.epochs)
        yield from self._unequal(record, "iterations per epoch", self.iterations, record.batches)
        if not (1 <= record.epoch <= record.epochs and 1 <= record.batch <= record.batches):
            within = f"within {record.epochs} epochs of {record.batches}"
            yield self._difference(record, "place", within, f"epoch {record.epoch}, batch {record.batch}")
        error = self.lr_error(record)
        if error is not None and not error <= MOST_LR_ERROR:
            yield self._difference(record, "learning rate", self._learning_rate(record), record.learning_rate)
        parts = sum(value for name, value in record.losses.items() if name != "total")
        total = record.losses["total"]
        if not math.isclose(total, parts, rel_tol=0, abs_tol=MOST_ROUNDING * (len(record.losses) + 0.01)):
            yield self._difference(record, "total loss", f"{parts:.4f}, the sum of the others", f"{total:.4f}")

    def _order(self, session: Session) -> Iterator[LogDifference]:
        """Records that do not follow the one before, or the beginning of an epoch where a training starts there."""
        before: Record | None = None
        since = session.headers[0].line if session.headers else 0
        for record in session.records:
            # A start, from nothing or from a checkpoint, is at the beginning of an epoch. Without headers the beginning
            # of the log is missing, and any multiple of LOG_INTERVAL may come first.
            start = record.finished - (record.batch if session.headers else 1)
            wanted = before.finished + LOG_INTERVAL if before else start + LOG_INTERVAL - start % LOG_INTERVAL
            if any(since < line < record.line for line in self.log.cut_lines):
                # Damaged records were left out in between.
                wanted = max(wanted, record.finished - record.finished % LOG_INTERVAL)
            yield from self._unequal(record, "finished iterations", wanted, record.finished)
            before, since = record, record.line


def _resumed(log: TrainingLog) -> bool:
    from_checkpoint = any(header.values.get("checkpoint") for header in log.headers)
    later_start = log.records[0].finished > LOG_INTERVAL and bool(log.headers)
    return len(log.sessions) > 1 or from_checkpoint or later_start


def _seconds_per_iteration(log: TrainingLog) -> float | None:
    """Median over records that follow each other, so that pauses between epochs and restarts do not count."""
    times = [
        (after.time - before.time).total_seconds() / (after.finished - before.finished)
        for session in log.sessions
        for before, after in pairwise(session.records)
        if after.finished > before.finished and after.time >= before.time
    ]
    return median(times) if times else None


def _by_key(differences: Iterable[LogDifference]) -> list[LogDifference]:
    """The first difference of every key, with the number of them, in the order of the lines."""
    found = sorted(differences, key=lambda one: one.line)
    numbers, first = Counter(one.key for one in found), {one.key: one for one in reversed(found)}
    return [replace(first[key], records=number) for key, number in numbers.items()]
