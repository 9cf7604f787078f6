"""The links that a chain of files is walked by, and what was found on the way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pointrend.errors import CheckFailed
from pointrend.files import canonical_json, read_json, sha256_file
from pointrend.settings.project import Project


class Links:
    """Checks of single files: the ``files`` that held, and ``notes`` of those that are not here."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.files: set[Path] = set()
        self.notes: list[str] = []

    def _file(self, path: Path, expected: str | None, witness: str, do: str, optional: bool = False) -> None:
        """A file has the sha256 that ``witness`` names; an ``optional`` one may be absent."""
        if not path.is_file():
            if not optional:
                raise CheckFailed(f"{self._name(path)} is not there", do)
            return self._note(path)
        if sha256_file(path) != expected:
            raise CheckFailed(f"{self._name(path)} is not the one whose sha256 is in {witness}", do)
        self.files.add(path)

    def _json(self, path: Path, keys: Sequence[str], do: str) -> dict[str, Any]:
        """A JSON file with these keys, as it was written."""
        found = read_json(path, do=do)
        if not isinstance(found, dict) or not found.keys() >= set(keys):
            raise CheckFailed(f"{self._name(path)} does not have {', '.join(keys)}", do)
        self._canonical(path, found, do)
        return found

    def _canonical(self, path: Path, value: Any, do: str) -> None:
        """A JSON file is, byte for byte, as it was written."""
        if path.read_bytes() != canonical_json(value).encode():
            raise CheckFailed(f"{self._name(path)} is not as it was written", do)
        self.files.add(path)

    def _note(self, path: Path) -> None:
        self.notes.append(f"{self._name(path)} is not here: not checked")

    def _name(self, path: Path) -> str:
        return self.project.relative(path)


def alike(found: Any, expected: Any) -> bool:
    """Equal, or the ends of an interval that another machine's arithmetic may round otherwise."""
    if isinstance(expected, list) and all(isinstance(end, float) for end in expected):
        return len(found) == len(expected) and all(map(math.isclose, found, expected))
    return bool(found == expected)
