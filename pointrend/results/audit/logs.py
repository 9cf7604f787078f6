"""Published training logs, in both forms that SSSegmentation wrote (RECIPE section 16).

A training record is two physical lines: time, place in the training and learning rate, then the mean losses since the
record before. The form of 2021 names epoch, batch, rate and dataset, that of 2022 the network too. Headers come
before and between records. A log may be cut at any byte, be resumed, or be several logs one after another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from pointrend.errors import AuditError
from pointrend.files import read_at_most

LARGEST_FILE = 100_000_000  # bytes; the published ones have about a million
_DO = "audit the log as it was published; docs/audit.md lists the known lines"
_STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
_LINE = re.compile(rf"({_STAMP}) [A-Z]+ +(\S.*)", re.ASCII)
# where a log that was cut in the middle of a line meets the next one
_JOINT = re.compile(rf"(?<=.)(?={_STAMP} [A-Z]+ )", re.ASCII)
_EPOCH = r"(?P<epoch>\d{1,9})/(?P<epochs>\d{1,9})"
_BATCH = r"(?P<batch>\d{1,9})/(?P<batches>\d{1,9})"
_RATE = r"(?P<rate>\d{1,9}(?:\.\d{1,30})?(?:e-\d{1,3})?)"
_PLACES = (
    rf"\[EPOCH\]: {_EPOCH}, \[BATCH\]: {_BATCH}, \[LEARNING_RATE\]: {_RATE}, \[DATASET\]: (?P<dataset>\w+)",
    rf"\[Epoch\]: {_EPOCH}, \[Batch\]: {_BATCH}, \[Segmentor\]: (?P<model>\w+)-(?P<backbone>\w+), "
    rf"\[DATASET\]: (?P<dataset>\w+), \[LEARNING_RATE\]: {_RATE}",
)
_LOSS = r"(?:\d{1,30}\.\d{4}|nan|inf)"
_LOSSES = re.compile(rf"\t\[LOSS\]: ((?:\w+ {_LOSS}, )*total {_LOSS}), ?", re.ASCII)
_HEADERS = (
    r"Dataset used: (?P<dataset>\w+), Number of images: (?P<images>\d{1,9})",
    r"Dataset: (?P<dataset>\w+)-\w+, Number of images: (?P<images>\d{1,9})",
    r"Model Used: (?P<model>\w+), Backbone used: (?P<backbone>\w+)",
    r"Segmentor: (?P<model>\w+), Backbone: \w+-(?P<backbone>\w+)",
    r"(?:Checkpoints used|Resume from):(?: (?P<checkpoint>.+))?",
    r"Config file (?:used|path): (?P<config>.+)",
)
_START = r"Start epoch (?P<epoch>\d{1,9})\.\.\."
# what the original logs besides, which has nothing to do with the recipe
_NOTES = (
    r"Saving state_dict in .+",
    r"Loading checkpoints from .+",
    r"ngpus_per_node is not equal to nproc_per_node, .+",
)
_DUMP = r"[A-Z]+_CFG:"  # in the form of 2022 a part of the configuration follows, a dictionary on its own line


@dataclass(frozen=True)
class Header:
    """A record that is not of training: its values by name, for example ``images``, and its line."""

    line: int
    text: str
    values: dict[str, str | None]


@dataclass(frozen=True)
class Record:
    """A training record; ``line`` is the number of its first physical line, ``text`` its message.

    ``epoch`` of ``epochs`` and ``batch`` of ``batches`` count from 1. ``losses`` are means since the record before,
    weights applied, with their sum as ``total``. ``model`` and ``backbone`` occur only in the form of 2022.
    """

    line: int
    text: str
    time: datetime
    epoch: int
    epochs: int
    batch: int
    batches: int
    learning_rate: float
    dataset: str
    model: str | None
    backbone: str | None
    losses: dict[str, float]

    @property
    def finished(self) -> int:
        """Iterations that were finished when the record was written."""
        return (self.epoch - 1) * self.batches + self.batch


@dataclass
class Session:
    """What one start of the training wrote."""

    headers: list[Header] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)


@dataclass(frozen=True)
class TrainingLog:
    """A whole log: its sessions in the file's order, and the lines at which a record was cut."""

    path: Path
    sessions: tuple[Session, ...]
    cut_lines: tuple[int, ...]

    @property
    def records(self) -> list[Record]:
        """Training records of all sessions."""
        return [record for session in self.sessions for record in session.records]

    @property
    def headers(self) -> list[Header]:
        """Headers of all sessions."""
        return [header for session in self.sessions for header in session.headers]


def read_log(path: Path) -> TrainingLog:
    """Read a training log.

    Raises:
        AuditError: the file cannot be read, has no complete training record, or has a line of no known form, which is
            quoted.
    """
    try:
        data = read_at_most(path, LARGEST_FILE)
        if data is None:
            raise AuditError(f"{path} is larger than {LARGEST_FILE} bytes, so it is not a training log", _DO)
        text = data.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise AuditError(f"{path} is not a text file ({problem.reason} at byte {problem.start})", _DO) from problem
    except OSError as problem:
        raise AuditError(f"cannot read {path}: {problem.strerror}", "name a readable file") from problem
    log = _Reader(path).read(text)
    if not log.records:
        raise AuditError(f"{path} has no complete training record", _DO)
    return log


def _lines(text: str) -> Iterator[tuple[int, str, bool]]:
    """Line number, text, and whether the line is whole: cut neither by the end of the file nor by another log."""
    *whole, last = text.split("\n")
    for number, line in enumerate(whole, 1):
        *cut, rest = _JOINT.split(line.removesuffix("\r"))
        yield from ((number, piece, False) for piece in cut)
        yield number, rest, True
    if last:
        yield from ((len(whole) + 1, piece, False) for piece in _JOINT.split(last))


class _Place(NamedTuple):
    """The first line of a training record, its losses still to come."""

    line: int
    time: datetime
    values: re.Match[str]


class _Reader:
    """Takes a log line by line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sessions = [Session()]
        self.cut_lines: list[int] = []
        self.place: _Place | None = None
        self.in_dump = False

    def read(self, text: str) -> TrainingLog:
        """Take a whole file."""
        for number, line, whole in _lines(text):
            self._take(number, line, whole)
        if self.place is not None:
            self._cut(self.place.line)
        return TrainingLog(self.path, tuple(self.sessions), tuple(self.cut_lines))

    def _take(self, number: int, line: str, whole: bool) -> None:
        """Take the next physical line, or what is left of one that was cut."""
        dumped, self.in_dump = self.in_dump and line.startswith("{"), False
        if dumped or (self.place is not None and self._take_losses(self.place, line, whole)):
            return
        if whole:
            self._take_message(number, line)
        elif _begins_as_a_record(line):
            self._cut(number)
        else:
            raise self._unknown(number, line)

    def _take_losses(self, place: _Place, line: str, whole: bool) -> bool:
        """Complete the record of ``place``, or see that it was cut; False: the line is not of that record."""
        found = _LOSSES.fullmatch(line)
        if found:
            self.sessions[-1].records.append(_record(place, found[1]))
            self.place = None
        elif whole or line[:9] != "\t[LOSS]: "[: len(line)]:
            return False
        else:
            self._cut(place.line)
        return True

    def _take_message(self, number: int, line: str) -> None:
        found = _LINE.fullmatch(line)
        message = found[2].rstrip() if found else ""
        time = _time(found[1]) if found else None
        header = _match(_HEADERS, message)
        if time is None or (self.place is not None and header is None):
            raise self._unknown(number, line)
        if self.place is not None:
            # Its losses are missing, so the log was cut between its two lines, and a new one begins.
            self._cut(self.place.line)
        if header and self.sessions[-1].records:
            self.sessions.append(Session())
        if place := _match(_PLACES, message):
            self.place = _Place(number, time, place)
        elif known := header or _match((_START,), message):
            self.sessions[-1].headers.append(Header(number, message, known.groupdict()))
        elif _match((_DUMP,), message):
            self.in_dump = True
        elif not _match(_NOTES, message):
            raise self._unknown(number, line)

    def _cut(self, number: int) -> None:
        self.place = None
        self.cut_lines.append(number)

    def _unknown(self, number: int, line: str) -> AuditError:
        return AuditError(f"{self.path} line {number} is of no known form: {line[:300]!r}", _DO)


def _record(place: _Place, losses: str) -> Record:
    values = place.values.groupdict()
    known: dict[str, Any] = {key: int(values[key]) for key in ("epoch", "epochs", "batch", "batches")}
    known |= {key: values.get(key) for key in ("dataset", "model", "backbone")}
    known |= {"line": place.line, "text": place.values.string, "time": place.time}
    named = {name: float(value) for name, value in (item.split(" ") for item in losses.split(", "))}
    return Record(**known, learning_rate=float(values["rate"]), losses=named)


def _match(forms: tuple[str, ...], message: str) -> re.Match[str] | None:
    return next(filter(None, (re.fullmatch(form, message, re.ASCII) for form in forms)), None)


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _begins_as_a_record(line: str) -> bool:
    begin = re.sub(r"\d", "0", line[:19], flags=re.ASCII)
    return "0000-00-00 00:00:00".startswith(begin) and line[19:20] in ("", " ")
