"""The record of starts: which seeds were planned, and every training that started, progressed or ended, in order.

Every entry is a file of its own, ``000001.json`` and so on, with the sha256 of the one before: none can be changed or
removed unnoticed, except the last ones. train.json and attempts.json name the start that they belong to, results.json
the last entry. A number is taken by a hard link, which only one process can make, also on NFS.

Kinds of entries, each with run, series and time:

* ``seeds``: the seeds of all trainings of a series, sealed before the first of them starts;
* ``start``: seed, fingerprint, and the iteration after which it starts;
* ``progress``: it has a checkpoint, so it can resume from there, or has run for an hour;
* ``end``: it was trained to its last iteration, with these weights (model_sha256).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from pointrend.errors import CheckFailed, ResultsError
from pointrend.files import atomic_path, canonical_json, read_json, sha256_file

Entry = Mapping[str, Any]
RESTORE = "restore it; move this folder together with the runs and checkpoints"
PROGRESS = ("progress", "end")  # kinds after which a score may have been seen
# the keys of every entry and of each kind, and the types of their values
COMMON: dict[str, Any] = {"previous": str | None, **dict.fromkeys(("kind", "run", "series", "time"), str)}
OF_SEED = {"seed": int, "fingerprint": str}
KEYS: dict[str, dict[str, Any]] = {
    "seeds": {"seeds": list},
    "start": {**OF_SEED, "iteration": int},
    "progress": OF_SEED,
    "end": {**OF_SEED, "iteration": int, "model_sha256": str},
}


class Place(NamedTuple):
    """An entry as other records name it: the number of its file, and its sha256."""

    number: int
    sha256: str


def sealed_seeds(entries: Mapping[Place, Entry]) -> tuple[Place, Entry] | None:
    """The list of seeds among the entries of a series: the last one before any of its trainings had a checkpoint."""
    found: tuple[Place, Entry] | None = None
    for place, entry in entries.items():
        if entry["kind"] in PROGRESS:
            break
        if entry["kind"] == "seeds" and (found is None or found[1]["seeds"] != entry["seeds"]):
            found = place, entry
    return found


class Starts:
    """The entries in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def append(self, kind: str, run: str, series: str, **values: Any) -> Place:
        """Write the next entry.

        Raises:
            OSError: the disk is full or broken; nothing is left behind.
        """
        while True:
            last = self._last()
            previous = sha256_file(self._path(last)) if last else None
            entry = {"previous": previous, "kind": kind, "run": run, "series": series}
            entry |= {"time": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", **values}
            path = self._path(last + 1)
            with suppress(FileExistsError):  # another training was faster
                with atomic_path(path, new=True) as temporary:
                    temporary.write_bytes(canonical_json(entry).encode())
                return Place(last + 1, sha256_file(path))

    def entries(self) -> dict[Place, Entry]:
        """All entries in order.

        Raises:
            CheckFailed: one is missing, cannot be read, or is not the one that the next one names.
        """
        found: dict[Place, Entry] = {}
        previous = before = None
        for number in range(1, self._last() + 1):
            path = self._path(number)
            name = "/".join(path.parts[-4:])
            if not path.is_file():
                raise CheckFailed(f"{name} does not exist", RESTORE)
            entry = _entry(path)
            if entry is None or (before is None and entry["previous"]):
                raise CheckFailed(f"{name} is not as it was written", RESTORE)
            if entry["previous"] != previous:
                raise CheckFailed(f"{before} is not the one that {name} names", RESTORE)
            previous, before = sha256_file(path), name
            found[Place(number, previous)] = entry
        return found

    def _last(self) -> int:
        """The number of the last entry; 0 where there is none."""
        return max((int(path.stem) for path in self.folder.glob("[0-9]" * 6 + ".json")), default=0)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.json"


def _entry(path: Path) -> Entry | None:
    """The entry in a file; None if it is not of the form of one."""
    try:
        entry = read_json(path, keys=COMMON)
        kinds = COMMON | KEYS[entry["kind"]]
        return entry if all(isinstance(entry[key], kind) for key, kind in kinds.items()) else None
    except (ResultsError, LookupError, TypeError):
        return None
