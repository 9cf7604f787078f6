"""The errors of this package, one class per kind of failure.

A known failure reaches the user as one line, ``error: <what> <where>; <what to do>``. The command line
prints it, writes the traceback to the log, and exits with :attr:`PointrendError.exit_code`.
"""

from __future__ import annotations

import re


class PointrendError(Exception):
    """A known failure: ``what`` happened (and where), and what to ``do`` about it."""

    exit_code = 2  # 2: wrong or missing input; 3: a failed check

    def __init__(self, what: str, do: str) -> None:
        super().__init__(f"{what}; {do}")
        self.what = what
        self.do = do

    def __reduce__(self) -> tuple[type[PointrendError], tuple[str, str]]:
        """Lets an error pass from a worker process to its parent."""
        return type(self), (self.what, self.do)


class ParamsError(PointrendError):
    """params.yaml, an override, or the name of a run, dataset, scale or seed is wrong."""


class DownloadError(PointrendError):
    """An archive, a weights file or a log could not be downloaded from any of its URLs."""


class OtherBytesError(DownloadError):
    """A URL has the file with the wrong bytes, and no other URL has the right ones."""


class ArchiveError(PointrendError):
    """An archive is wrong: size, checksum, format, or an unsafe member."""


class DatasetError(PointrendError):
    """The content of an archive or of the prepared form is wrong: an image, a mask, a label, a count."""


class WeightsError(PointrendError):
    """A weights file cannot be used: format, names, shapes or values."""


class TrainingError(PointrendError):
    """Training cannot start or continue: a non-finite loss, a held lease, an unusable checkpoint."""


class TrainingStopped(PointrendError):
    """Training was stopped, or lost one of its processes; the same command continues from the last checkpoint."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: to be tried again


class MachineError(PointrendError):
    """The machine lacks something: a device, a program, a permission, disk space."""


class AuditError(PointrendError):
    """A published training log or config is missing, or has a line of an unknown form."""


class ResultsError(PointrendError):
    """Results are missing or unreadable."""


class TrackingError(PointrendError):
    """Results could not be sent to MLflow; nothing of them is lost."""


class CheckFailed(PointrendError):
    """A check failed: outdated tables, wrong hashes, disagreeing logs."""

    exit_code = 3


# Words of torch, OpenCV and CUDA for a lack of memory.
NO_MEMORY = re.compile("(can't|cannot|failed to|could not) allocate|(not enough|insufficient|out of) memory", re.I)


def lacks_memory(error: BaseException) -> bool:
    """Whether memory ran out. Only Python and NumPy have a class for that; torch on a CPU and OpenCV have words."""
    return isinstance(error, MemoryError) or bool(NO_MEMORY.search(str(error)))
