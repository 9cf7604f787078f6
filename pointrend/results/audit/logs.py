"""Published training logs, in both forms that SSSegmentation wrote (RECIPE section 16).

A training record is two physical lines: time, place in the training and learning rate, then the mean losses since the
record before. The form of 2021 names epoch, batch, rate and dataset, that of 2022 the network too. Headers come
before and between records. A log may be cut at any byte, be resumed, or be several logs one after another.

Whatever else is in the file is counted and left out: other loggers, warnings, progress bars, tables. Colours and a byte
order mark are left out, too. With ``strict`` all that is an error.
"""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pointrend.errors import AuditError
from pointrend.files import read_at_most

LARGEST_FILE = 100_000_000  # bytes; the published ones have about a million
_DO = "audit the log as it was published; docs/audit.md lists the known lines"
_STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
_LINE = re.compile(rf"({_STAMP}) [A-Z]+ +(\S.*)", re.ASCII)
# where a log that was cut in the middle of a line meets the next one
_JOINT = re.compile(rf"(?<=.)(?={_STAMP} [A-Z]+ )", re.ASCII)
_COLOUR = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
_EPOCH = r"(?P<epoch>\d{1,9})/(?P<epochs>\d{1,9})"
_BATCH = r"(?P<batch>\d{1,9})/(?P<batches>\d{1,9})"
_RATE = r"(?P<learning_rate>\d{1,9}(?:\.\d{1,30})?(?:e-\d{1,3})?)"
_LOSS = r"(?:\d{1,30}\.\d{4}|nan|inf)"
_LOSSES = re.compile(rf"\t?\[LOSS\]: ((?:\w+ {_LOSS}, )*total {_LOSS}), ?", re.ASCII)
_OF_A_RECORD = re.compile(r"\[(?:LOSS|LEARNING_RATE)\]: ")
_NUMBERS = dict.fromkeys(("epoch", "epochs", "batch", "batches"), int) | {"learning_rate": float}
_MESSAGES = {
    "place": (
        rf"\[EPOCH\]: {_EPOCH}, \[BATCH\]: {_BATCH}, \[LEARNING_RATE\]: {_RATE}, \[DATASET\]: (?P<dataset>\w+)",
        rf"\[Epoch\]: {_EPOCH}, \[Batch\]: {_BATCH}, \[Segmentor\]: (?P<model>\w+)-(?P<backbone>\w+), "
        rf"\[DATASET\]: (?P<dataset>\w+), \[LEARNING_RATE\]: {_RATE}",
    ),
    "header": (
        r"Dataset used: (?P<dataset>\w+), Number of images: (?P<images>\d{1,9})",
        r"Dataset: (?P<dataset>\w+)-\w+, Number of images: (?P<images>\d{1,9})",
        r"Model Used: (?P<model>\w+), Backbone used: (?P<backbone>\w+)",
        r"Segmentor: (?P<model>\w+), Backbone: \w+-(?P<backbone>\w+)",
        r"(?:Checkpoints used|Resume from):(?: (?P<checkpoint>.+))?",
        r"Config file (?:used|path): (?P<config>.+)",
    ),
    "start": (r"Start epoch (?P<epoch>\d{1,9})\.\.\.",),
    # in the form of 2022 a part of the configuration follows, a dictionary on its own line
    "dump": (r"[A-Z]+_CFG:",),
    # what the original logs besides, which has nothing to do with the recipe
    "note": (
        r"Saving state_dict in .+",
        r"Loading checkpoints from .+",
        r"ngpus_per_node is not equal to nproc_per_node, .+",
    ),
}


@dataclass(frozen=True)
class Header:
    """A record that is not of training: its values by name, for example ``images``, and its line."""

    line: int
    text: str
    values: dict[str, Any]


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
    model: str | None = None
    backbone: str | None = None
    losses: dict[str, float] = field(default_factory=dict)

    @property
    def finished(self) -> int:
        """Iterations that were finished when the record was written."""
        return (self.epoch - 1) * self.batches + self.batch


@dataclass
class Session:
    """What one start of the training wrote."""

    headers: list[Header] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)


@dataclass
class TrainingLog:
    """A whole log: its sessions in the file's order, where a record is cut or damaged, and other lines by number."""

    path: Path
    sessions: list[Session] = field(default_factory=lambda: [Session()])
    cut_lines: list[int] = field(default_factory=list)
    other_lines: dict[int, str] = field(default_factory=dict)

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


def _lines(text: str) -> Iterator[tuple[int, str, bool]]:
    """Line number, text, and whether the line is whole: cut neither by the end of the file nor by another log."""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        # A progress bar returns to the beginning of its line.
        for part in line.removesuffix("\r").split("\r"):
            *cut, rest = _JOINT.split(part)
            yield from ((number, piece, False) for piece in cut)
            if rest or number < len(lines):
                yield number, rest, number < len(lines)


class _Reader:
    """Takes a log line by line. ``place`` is a record whose losses are still to come."""

    def __init__(self, path: Path, strict: bool) -> None:
        self.log, self.strict = TrainingLog(path), strict
        self.place: Record | None = None
        self.in_dump = False

    def read(self, text: str) -> TrainingLog:
        """Take a whole file."""
        for number, line, whole in _lines(text):
            dumped, self.in_dump = self.in_dump and line.startswith("{"), False
            if not dumped:
                self._take(number, line, whole)
        if self.place is not None:
            self._cut(self.place.line)
        return self.log

    def _take(self, number: int, line: str, whole: bool) -> None:
        """Take the next physical line, or what is left of one that was cut."""
        if self.place is not None and (losses := _LOSSES.search(line)):
            self._take_losses(self.place, losses[1])
            if rest := line[: losses.start()] + line[losses.end() :]:
                self._other(number, rest)
        elif not whole and self._is_cut(line):
            self._cut(number)
        elif not (whole and self._take_message(number, line)):
            if _OF_A_RECORD.search(line):
                self._cut(number)
            self._other(number, line)

    def _take_losses(self, place: Record, losses: str) -> None:
        """Complete the record of ``place``."""
        named = {name: float(value) for name, value in (item.split(" ") for item in losses.split(", "))}
        record, records = replace(place, losses=named), self.log.sessions[-1].records
        self.place = None
        # Two handlers of one logger write every record twice.
        if not self.strict and records and replace(record, line=records[-1].line) == records[-1]:
            self._other(record.line, record.text)
        else:
            records.append(record)

    def _take_message(self, number: int, line: str) -> bool:
        """Take a line that its logger finished; False: it is of no known form."""
        if (found := _message(line)) is None:
            return False
        kind, time, message, values = found
        if self.place is not None and kind in ("place", "header"):
            # Its losses are missing. Before a header, the log was cut between its two lines.
            if kind == "place":
                self._other(self.place.line, self.place.text)
            self._cut(self.place.line)
        if kind == "header" and self.log.sessions[-1].records:
            self.log.sessions.append(Session())
        if kind in ("header", "start"):
            self.log.sessions[-1].headers.append(Header(number, message, values))
        elif kind == "place":
            known: dict[str, Any] = {name: _NUMBERS.get(name, str)(value) for name, value in values.items()}
            self.place = Record(number, message, time, **known)
        self.in_dump = kind == "dump"
        return True

    def _is_cut(self, line: str) -> bool:
        """Whether a record begins with ``line``, which is not whole."""
        begin = re.sub(r"\d", "0", line[:19], flags=re.ASCII)
        losses = self.place is not None and line[:9] == "\t[LOSS]: "[: len(line)]
        return losses or ("0000-00-00 00:00:00".startswith(begin) and line[19:20] in ("", " "))

    def _cut(self, number: int) -> None:
        self.place = None
        self.log.cut_lines.append(number)

    def _other(self, number: int, line: str) -> None:
        if self.strict:
            raise AuditError(f"{self.log.path} line {number} is of no known form: {line[:300]!r}", _DO)
        if line.strip():
            self.log.other_lines.setdefault(number, line.strip())


def _message(line: str) -> tuple[str, datetime, str, dict[str, Any]] | None:
    """Kind, time, text and values of a line, if it is of a known form."""
    with contextlib.suppress(ValueError):
        if found := _LINE.fullmatch(line):
            time, message = datetime.fromisoformat(found[1]), found[2].rstrip()
            for kind, form in ((kind, form) for kind, forms in _MESSAGES.items() for form in forms):
                if values := re.fullmatch(form, message, re.ASCII):
                    return kind, time, message, values.groupdict()
    return None
