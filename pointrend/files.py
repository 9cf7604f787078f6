"""Files that are either whole or not there: atomic writes, canonical JSON, sha256."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pointrend.errors import PointrendError, ResultsError


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block ends without an error.

    The data is on the disk before the name is (fsync), and nothing is left behind on an error.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        os.chmod(temporary, 0o666 & ~_umask())
        yield temporary
        with open(temporary, "rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data``, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def canonical_json(value: Any) -> str:
    """The one JSON text of ``value``: sorted keys, two-space indent, no NaN, a newline at the end."""
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as canonical JSON, atomically."""
    write_text(path, canonical_json(value))


def read_json(
    path: Path,
    error: type[PointrendError] = ResultsError,
    do: str = "make it again",
    keys: Collection[str] = (),
) -> Any:
    """Read a JSON file; a missing or broken one is raised as ``error`` with the advice ``do``.

    With ``keys`` it must be an object that has them. NaN, infinity and halves of characters are no JSON here: nothing
    that writes canonical JSON can have written them.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_refuse, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except FileNotFoundError:
        raise error(f"{path} is not there", do) from None
    except (OSError, ValueError, RecursionError) as problem:
        raise error(f"cannot read {path}: {problem}", do) from problem
    missing = [key for key in keys if not isinstance(value, dict) or key not in value]
    if missing:
        raise error(f"{path} does not have {', '.join(missing)}", do)
    return value


def sha256_file(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_json(value: Any) -> str:
    """sha256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number in JSON")


def _finite(text: str) -> float:
    return float(text) if math.isfinite(float(text)) else _refuse(text)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
