"""Files that are either complete or missing: atomic writes, canonical JSON, sha256."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Protocol

from pointrend.errors import PointrendError, ResultsError


class Fence(Protocol):
    """The right to write files that several processes share, until one of the others takes it over."""

    number: int  # how often the right was taken, including this time
    mark: str  # part of the names of temporary files; whoever takes over the right removes those of earlier marks

    def check(self) -> None:
        """Raise if the right was taken over."""


@contextlib.contextmanager
def atomic_path(path: Path, fence: Fence | None = None, new: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block ends without an error.

    The data is on disk before the name is (fsync), and nothing is left behind on an error. The temporary file of a
    killed writer of the same file is removed by the next writer.

    With a ``fence`` the rename only happens if this process still has the right to write. That is checked after the
    temporary file was made: whoever takes over in between removes that file, and the rename fails.

    Raises FileExistsError if the file must be ``new`` and another process has made it; only one can, also on NFS.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with contextlib.suppress(OSError), open(leftover, "rb") as stream:
            if _locked(stream.fileno()):
                leftover.unlink()
    with _temporary(path, f"{fence.mark}." if fence else "") as temporary:
        os.umask(mask := os.umask(0))
        os.chmod(temporary, 0o666 & ~mask)
        yield temporary
        try:
            with open(temporary, "rb+") as stream:
                os.fsync(stream.fileno())
            if fence:
                fence.check()
            (os.link if new else os.replace)(temporary, path)
        except FileNotFoundError:
            if fence:
                fence.check()
            raise


def write_text(path: Path, text: str, fence: Fence | None = None) -> None:
    """Write ``text`` as UTF-8, atomically."""
    write_bytes(path, text.encode(), fence)


def write_bytes(path: Path, data: bytes, fence: Fence | None = None) -> None:
    """Write ``data``, atomically."""
    with atomic_path(path, fence) as temporary:
        temporary.write_bytes(data)


def canonical_json(value: Any) -> str:
    """The canonical JSON text of ``value``: sorted keys, two-space indent, no NaN, a newline at the end."""
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: Any, fence: Fence | None = None) -> None:
    """Write ``value`` as canonical JSON, atomically."""
    write_text(path, canonical_json(value), fence)


def read_json(
    path: Path,
    error: type[PointrendError] = ResultsError,
    do: str = "create it again",
    keys: Collection[str] = (),
) -> Any:
    """Read a JSON file; a missing or broken one is raised as ``error`` with the advice ``do``.

    With ``keys`` it must be an object that has them. NaN, infinity and lone surrogates are errors: canonical JSON
    cannot contain them.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_refuse, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except FileNotFoundError:
        raise error(f"{path} does not exist", do) from None
    except (OSError, ValueError, RecursionError) as problem:
        raise error(f"cannot read {path}: {problem}", do) from problem
    missing = [key for key in keys if not isinstance(value, dict) or key not in value]
    if missing:
        raise error(f"{path} does not have {', '.join(missing)}", do)
    return value


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects in a file of lines, without lines that are none.

    A resumed training cuts its file and continues it, so a reader may meet half a line anywhere. Raises OSError.
    """
    found = []
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            value = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def read_at_most(path: Path, most: int) -> bytes | None:
    """The bytes of a file, or None if it has more than ``most``. A device has no size, so the bytes are counted.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as stream:
        data = stream.read(most + 1)
    return data if len(data) <= most else None


def sha256_file(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_json(value: Any) -> str:
    """sha256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


SEAL = "sha256_of_record"  # key of a sealed record: sha256 of the canonical JSON of the other keys


def write_sealed(path: Path, record: dict[str, Any], fence: Fence | None = None) -> None:
    """Write a record as canonical JSON, atomically, with a hash of itself."""
    write_json(path, {**record, SEAL: sha256_json(record)}, fence)


def is_sealed(record: dict[str, Any]) -> bool:
    """Whether a record is as :func:`write_sealed` wrote it."""
    return record.get(SEAL) == sha256_json({key: value for key, value in record.items() if key != SEAL})


@contextlib.contextmanager
def _temporary(path: Path, mark: str) -> Iterator[Path]:
    """A new file beside ``path``, locked while its writer lives."""
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.{mark}", suffix=".tmp", dir=path.parent)
        try:
            # Before the lock another process may remove the file as a leftover; then the loop makes a new one.
            if _locked(handle) and os.path.exists(name):
                yield Path(name)
                return
        finally:
            Path(name).unlink(missing_ok=True)
            os.close(handle)


def _locked(handle: int) -> bool:
    """Lock an open file until this process ends; False if a living process has the lock."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")


def _finite(text: str) -> float:
    return float(text) if math.isfinite(float(text)) else _refuse(text)
