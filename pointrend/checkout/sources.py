"""The package's modules are always compiled from their sources, and the compiled bytes are the ones that are hashed.

Python uses cached bytecode if its source has the same size and time: a file that was restored, copied or edited within
the clock's resolution would run old code, while its digest (:mod:`.code_digest`) would be that of the new code.
"""

from __future__ import annotations

import hashlib
import sys
from importlib.abc import PathEntryFinder
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, SourceFileLoader
from pathlib import Path
from typing import NoReturn

PACKAGE = Path(__file__).parents[1]
_compiled: dict[Path, str] = {}  # sha256 of the bytes that each module of this process was compiled from
_hashed: dict[Path, str] = {}  # sha256 of files that were hashed before they were compiled, if they ever are


class _FromSource(SourceFileLoader):
    def path_stats(self, path: str) -> NoReturn:
        raise OSError("bytecode is neither read nor written")

    def get_data(self, path: str) -> bytes:
        data = super().get_data(path)
        found = _compiled[Path(path)] = hashlib.sha256(data).hexdigest()
        if _hashed.setdefault(Path(path), found) != found:
            from pointrend.errors import CheckFailed

            raise CheckFailed(f"{path} was changed while this command was starting", "run the command again")
        return data


def import_from_source() -> None:
    """Compile all modules of the package that are imported from now on from their sources."""
    of_sources = FileFinder.path_hook((_FromSource, SOURCE_SUFFIXES))

    def of_this_package(path: str) -> PathEntryFinder:
        if not Path(path).is_relative_to(PACKAGE):
            raise ImportError(f"{path} is not part of {PACKAGE}", path=path)
        return of_sources(path)

    sys.path_hooks.insert(0, of_this_package)
    for path in [path for path in sys.path_importer_cache if Path(path).is_relative_to(PACKAGE)]:
        del sys.path_importer_cache[path]


def sha256_of_source(path: Path) -> str:
    """sha256 of a source file: of the bytes that this process imported, otherwise of the bytes on disk."""
    if path in _compiled:
        return _compiled[path]
    return _hashed.setdefault(path, hashlib.sha256(path.read_bytes()).hexdigest())
