"""What can go wrong, one class per kind of failure.

A known failure reaches the user as one line, ``error: <what> <where>; <what to do>``. The command line
prints it, writes the traceback to the log, and exits with :attr:`PointrendError.exit_code`.
"""

from __future__ import annotations

import re


class PointrendError(Exception):
    """A failure we know: ``what`` happened (and where), and what to ``do`` about it."""

    exit_code = 2
    """2: a wrong input or a missing thing. 3: a check that did not hold."""

    def __init__(self, what: str, do: str) -> None:
        super().__init__(f"{what}; {do}")
        self.what = what
        self.do = do

    def __reduce__(self) -> tuple[type[PointrendError], tuple[str, str]]:
        """So that an error survives the way from a worker process."""
        return type(self), (self.what, self.do)


class ParamsError(PointrendError):
    """params.yaml, an override, or the name of a run, dataset, scale or seed is wrong."""


class DownloadError(PointrendError):
    """An archive, a weights file or a log could not be had from any of its places."""


class OtherBytesError(DownloadError):
    """A place offers the file, but with other bytes than are wanted, and no other place has the right ones."""


class ArchiveError(PointrendError):
    """An archive is not what it should be: size, checksum, format, or an unsafe member."""


class DatasetError(PointrendError):
    """What is inside the archives, or the prepared form, is wrong: a picture, a mask, a label, a count."""


class WeightsError(PointrendError):
    """A weights file cannot be used: format, names, shapes or values."""


class TrainingError(PointrendError):
    """Training cannot start or go on: a non-finite loss, a held lease, an unusable checkpoint."""


class TrainingStopped(PointrendError):
    """Training was asked to stop, or lost one of its processes; the same command goes on from the last checkpoint."""

    exit_code = 75
    """What sysexits.h calls a temporary failure: to be tried again."""


class MachineError(PointrendError):
    """The machine lacks something: a device, a program, a permission, disk space."""


class AuditError(PointrendError):
    """A published training log or config cannot be read: missing, or a line in it is not of a known form."""


class ResultsError(PointrendError):
    """Results are missing or unreadable."""


class TrackingError(PointrendError):
    """Results could not be sent to MLflow; nothing of them is lost."""


class CheckFailed(PointrendError):
    """A check that should hold did not: drifted tables, broken hashes, disagreeing logs."""

    exit_code = 3


MEMORY_ENDED = re.compile(
    "(can't|cannot|failed to|could not) allocate|(not enough|insufficient|out of) memory", re.IGNORECASE
)
"""How torch, OpenCV and CUDA say that memory ended."""


def lacks_memory(error: BaseException) -> bool:
    """Whether memory ended. Only Python and NumPy have a class for that, torch on a CPU and OpenCV have words."""
    return isinstance(error, MemoryError) or bool(MEMORY_ENDED.search(str(error)))
