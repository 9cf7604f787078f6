"""Published training logs, in both forms that SSSegmentation wrote (RECIPE section 16).

A training record is two physical lines: time, place in the training and learning rate, then the mean losses since the
record before. The form of 2021 names epoch, batch, rate and dataset, that of 2022 the network too. Headers come
before and between records. A log may be cut at any byte, be resumed, or be several logs one after another.

Whatever else is in the file is counted and left out: what other loggers, warnings, progress bars and tables wrote, byte
order marks, colours. With ``strict`` it is an error.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
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
_LOSSES = re.compile(rf"\t?\[LOSS\]: ((?:\w+ {_LOSS}, )*total {_LOSS}), ?", re.ASCII)
_OF_A_RECORD = re.compile(r"\[(?:LOSS|LEARNING_RATE)\]")
_COLOUR = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
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
    """A whole log: its sessions in the file's order, where a record is cut or damaged, and other lines by number."""

    path: Path
    sessions: tuple[Session, ...]
    cut_lines: tuple[int, ...]
    other_lines: dict[int, str]

    @property
    def records(self) -> list[Record]:
        """Training records of all sessions."""
        return [record for session in self.sessions for record in session.records]

    @property
    def headers(self) -> list[Header]:
        """Headers of all sessions."""
        return [header for session in self.sessions for header in session.headers]


def read_log(path: Path, strict: bool = False) -> TrainingLog:
    """Read a training log.

    Raises:
        AuditError: the file cannot be read or has no complete training record. If ``strict``: it is not UTF-8 or has a
            line of no known form, which is quoted.
    """
    try:
        data = read_at_most(path, LARGEST_FILE)
        if data is None:
            raise AuditError(f"{path} is larger than {LARGEST_FILE} bytes, so it is not a training log", _DO)
        text = data.decode("utf-8") if strict else _without_colours(data)
    except UnicodeDecodeError as problem:
        raise AuditError(f"{path} is not a text file ({problem.reason} at byte {problem.start})", _DO) from problem
    except OSError as problem:
        raise AuditError(f"cannot read {path}: {problem.strerror}", "name a readable file") from problem
    log = _Reader(path, strict).read(text)
    if not log.records:
        raise AuditError(f"{path} has no complete training record", _DO)
    return log


def _without_colours(data: bytes) -> str:
    """Text in UTF-8, or in the UTF-16 that shells of Windows write, without the colours of a terminal."""
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return _COLOUR.sub("", data.decode("utf-16" if utf16 else "utf-8-sig", errors="replace"))


def _lines(text: str, strict: bool) -> Iterator[tuple[int, str, bool]]:
    """Line number, text, and whether the line is whole: cut neither by the end of the file nor by another log."""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        # A progress bar returns to the beginning of its line.
        for part in [line.removesuffix("\r")] if strict else line.split("\r"):
            *cut, rest = _JOINT.split(part)
            yield from ((number, piece, False) for piece in cut)
            if rest or number < len(lines):
                yield number, rest, number < len(lines)


class _Place(NamedTuple):
    """The first line of a training record, its losses still to come."""

    line: int
    time: datetime
    values: re.Match[str]


class _Reader:
    """Takes a log line by line."""

    def __init__(self, path: Path, strict: bool) -> None:
        self.path, self.strict = path, strict
        self.sessions = [Session()]
        self.cut_lines: list[int] = []
        self.other_lines: dict[int, str] = {}
        self.place: _Place | None = None
        self.in_dump = False

    def read(self, text: str) -> TrainingLog:
        """Take a whole file."""
        for number, line, whole in _lines(text, self.strict):
            self._take(number, line, whole)
        if self.place is not None:
            self._cut(self.place.line)
        return TrainingLog(self.path, tuple(self.sessions), tuple(self.cut_lines), self.other_lines)

    def _take(self, number: int, line: str, whole: bool) -> None:
        """Take the next physical line, or what is left of one that was cut."""
        dumped, self.in_dump = self.in_dump and line.startswith("{"), False
        if dumped:
            return
        if self.place is not None and (losses := _LOSSES.search(line)):
            self._take_losses(self.place, losses)
            if rest := line[: losses.start()] + line[losses.end() :]:
                self._other(number, rest)
        elif not whole and self._is_cut(line):
            self._cut(number)
        elif not (whole and self._take_message(number, line)):
            if _OF_A_RECORD.search(line):
                self._cut(number)
            self._other(number, line)

    def _take_losses(self, place: _Place, losses: re.Match[str]) -> None:
        """Complete the record of ``place``."""
        record, records = _record(place, losses[1]), self.sessions[-1].records
        self.place = None
        # Two handlers of one logger write every record twice.
        if not self.strict and records and replace(record, line=records[-1].line) == records[-1]:
            self._other(record.line, record.text)
        else:
            records.append(record)

    def _take_message(self, number: int, line: str) -> bool:
        """Take a line that its logger finished; False: it is of no known form."""
        found = _LINE.fullmatch(line)
        time, message = (_time(found[1]), found[2].rstrip()) if found else (None, "")
        place, header, start = (_match(forms, message) for forms in (_PLACES, _HEADERS, (_START,)))
        in_dump = _match((_DUMP,), message) is not None
        if time is None or not (place or header or start or in_dump or _match(_NOTES, message)):
            return False
        if self.place is not None and (place or header):
            if place and self.strict:
                return False
            # Its losses are missing, so the log was cut between its two lines.
            self._cut(self.place.line)
        if header and self.sessions[-1].records:
            self.sessions.append(Session())
        if known := header or start:
            self.sessions[-1].headers.append(Header(number, message, known.groupdict()))
        self.place = _Place(number, time, place) if place else self.place
        self.in_dump = in_dump
        return True

    def _is_cut(self, line: str) -> bool:
        """Whether a record begins with ``line``, which is not whole."""
        begin = re.sub(r"\d", "0", line[:19], flags=re.ASCII)
        losses = self.place is not None and line[:9] == "\t[LOSS]: "[: len(line)]
        return losses or ("0000-00-00 00:00:00".startswith(begin) and line[19:20] in ("", " "))

    def _cut(self, number: int) -> None:
        self.place = None
        self.cut_lines.append(number)

    def _other(self, number: int, line: str) -> None:
        if self.strict:
            raise AuditError(f"{self.path} line {number} is of no known form: {line[:300]!r}", _DO)
        if line.strip():
            self.other_lines.setdefault(number, line.strip())


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
