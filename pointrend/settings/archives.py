"""Files to download: how each is recognised, and where it comes from.

Checksums are in params.yaml, or in the file that POINTREND_PINS names. Mirrors are in published/mirrors.json; they are
part of no digest, so changing one redoes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from pointrend.errors import ParamsError
from pointrend.files import read_json
from pointrend.settings.params_file import nearest
from pointrend.settings.recipe import FileName
from pointrend.settings.validation import Strict, validated

OFFICIAL, DRAWN = "official", "demo"  # names of archive sets
WITH_ACCOUNT = "cityscapes"  # the dataset whose archives only registered users can download
PUBLISHED_KINDS = {"log": "published log", "cfg": "published cfg", "released": "released weights"}
PINS_FORM = 'POINTREND_PINS must name a JSON file {"files": {"<archive>": {"bytes", "md5", "sha256"}}}'
MIRRORS_FORM = 'correct it there: {"files": {"<file>": {"about_gb": 0.2, "urls": [...]}}}'


class Archive(Strict):
    """A file to download, and what is known of its bytes; what is None is not checked.

    ``sha256_prefix`` is the beginning of the sha256, as model zoos put it into file names.
    """

    name: FileName
    bytes: Annotated[int, Field(gt=0, le=10**15)] | None = None
    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    sha256_prefix: Annotated[str, Field(pattern="^[0-9a-f]{8,64}$")] | None = None

    @property
    def checksums(self) -> dict[str, Any]:
        """Everything that is known of the bytes; ``sha256_prefix`` only where it is given."""
        known = self.model_dump(exclude={"name"}, exclude_none=True)
        return {"bytes": None, "md5": None, "sha256": None, **known}


class Mirrors(Strict):
    """Where a file can be downloaded, the official URL first, and its approximate size.

    URLs may carry credentials, which are never printed.
    """

    about_gb: Annotated[float, Field(gt=0, le=1_000_000)]
    urls: tuple[str, ...]


def load_pins(path: Path) -> dict[str, Archive]:
    """Checksums that replace the official ones, by file name. Raises ParamsError if the file is not of that form."""
    files = _files_in(path, PINS_FORM)
    named = {name: {"name": name, **pin} if isinstance(pin, dict) else pin for name, pin in files.items()}
    return {name: validated(Archive, pin, f"{path}: files.{name}") for name, pin in named.items()}


def load_mirrors(path: Path, names: Iterable[str]) -> dict[str, Mirrors]:
    """The table of mirrors by file name. Raises ParamsError if it is not of that form or lacks one of ``names``."""
    table = _files_in(path, MIRRORS_FORM)
    for name in names:
        if name not in table:
            raise ParamsError(f"{path} has no {name!r}{nearest(name, table)}", MIRRORS_FORM)
    return {name: validated(Mirrors, entry, f"{path}: files.{name}") for name, entry in table.items()}


class Home(Strict):
    """About a dataset: URL of its site, terms of use, paper, and when it was published (a year or date)."""

    url: str
    license: str
    citeAs: str
    datePublished: str


def load_home(path: Path, dataset: str) -> Home:
    """The entry of ``dataset`` in the table of mirrors. Raises ParamsError if it has none or one of another form."""
    do = f'add it: "datasets": {{"{dataset}": {{{", ".join(Home.model_fields)}}}}}'
    homes = read_json(path, ParamsError, do, keys=("datasets",))["datasets"]
    if not isinstance(homes, dict) or dataset not in homes:
        raise ParamsError(f"{path} has no entry for dataset {dataset}", do)
    return validated(Home, homes[dataset], f"{path}: datasets.{dataset}")


def _files_in(path: Path, form: str) -> dict[str, Any]:
    found = read_json(path, ParamsError, form)
    files = found.get("files") if isinstance(found, dict) else None
    if not isinstance(files, dict):
        raise ParamsError(f"{path} has no mapping 'files'", form)
    return files
