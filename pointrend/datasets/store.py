"""The prepared form of a dataset: three large files per split.

``<split>.pictures.bin`` holds the pictures one after another, uint8 BGR (H, W, 3), and ``<split>.labels.bin`` their
labels, uint8 train ids (H, W) with 255 for ignored pixels. ``<split>.index.json`` is ``{"ids": [...], "sizes":
[[height, width], ...]}``; where a picture starts follows from the sizes before it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Self, TypedDict

import numpy as np
from numpy.typing import NDArray

from pointrend.errors import DatasetError
from pointrend.files import atomic_path, canonical_json, read_json

Bytes = NDArray[np.uint8]

PREPARE_AGAIN = "run `pointrend prepare` again"


class FileRecord(TypedDict):
    """Size and sha256 (hex) of a file."""

    bytes: int
    sha256: str


class StoreWriter:
    """Writes one split; a context manager. The files get their names when the block ends without an error.

    ``files`` then holds their records by name. What a killed writer of the same split left behind is removed first.
    """

    def __init__(self, folder: Path, split: str) -> None:
        self.files: dict[str, FileRecord] = {}
        self._folder = Path(folder)
        self._split = split
        self._ids: list[str] = []
        self._sizes: list[tuple[int, ...]] = []

    def __enter__(self) -> Self:
        for leftover in self._folder.glob(f".{self._split}.*.tmp"):
            leftover.unlink()
        self._writing = self._open_files()
        self._writing.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._writing.__exit__(*exception)

    def add(self, id: str, picture: Bytes, label: Bytes) -> None:
        """Append a picture (H, W, 3), uint8 BGR, and its label (H, W), uint8 train ids.

        Raises DatasetError where the two differ in size.
        """
        if picture.shape[:2] != label.shape:
            raise DatasetError(
                f"{id}: the picture is {_size_text(picture)}, its mask {_size_text(label)}",
                "the archives are damaged or do not belong together; fetch them again",
            )
        self._pictures.write(np.ascontiguousarray(picture).data)
        self._labels.write(np.ascontiguousarray(label).data)
        self._ids.append(id)
        self._sizes.append(label.shape)

    @contextlib.contextmanager
    def _open_files(self) -> Iterator[None]:
        paths = _paths(self._folder, self._split)
        # Closed from the right: the index, without which there is no store, gets its name last.
        with (
            _hashed_file(paths[2]) as index,
            _hashed_file(paths[1]) as self._labels,
            _hashed_file(paths[0]) as self._pictures,
        ):
            yield
            index.write(canonical_json({"ids": self._ids, "sizes": self._sizes}).encode())
        written = (self._pictures, self._labels, index)
        self.files = {path.name: file.record for path, file in zip(paths, written, strict=True)}


class Store:
    """One prepared split, mapped into memory. It may be pickled; the copy maps the files anew.

    ``ids`` are the pictures' ids and ``sizes`` their (height, width), both in the order of the indices. Raises
    DatasetError where a file is missing, unreadable, or shorter or longer than the index says.
    """

    def __init__(self, folder: Path, split: str) -> None:
        self.folder = Path(folder)
        self.split = split
        pictures, labels, index = _paths(self.folder, split)
        self.ids, self.sizes = _read_index(index)
        areas = [height * width for height, width in self.sizes]
        self._starts = [0, *np.cumsum(areas).tolist()]
        self._pictures = _map(pictures, 3 * self._starts[-1])
        self._labels = _map(labels, self._starts[-1])

    def __len__(self) -> int:
        return len(self.ids)

    def __reduce__(self) -> tuple[type[Store], tuple[Path, str]]:
        return Store, (self.folder, self.split)

    def picture(self, index: int) -> Bytes:
        """Read-only view of a picture: (H, W, 3), uint8, BGR."""
        start, stop = self._starts[index], self._starts[index + 1]
        return self._pictures[3 * start : 3 * stop].reshape(*self.sizes[index], 3)

    def label(self, index: int) -> Bytes:
        """Read-only view of a label: (H, W), uint8 train ids, 255 for ignored pixels."""
        return self._labels[self._starts[index] : self._starts[index + 1]].reshape(self.sizes[index])

    def size(self, index: int) -> tuple[int, int]:
        """(height, width) of a picture, in pixels."""
        return self.sizes[index]


class _HashedFile:
    """A file that is hashed while it is written."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self._bytes = 0

    def write(self, data: memoryview | bytes) -> None:
        self._hash.update(data)
        self._bytes += self._stream.write(data)

    @property
    def record(self) -> FileRecord:
        return {"bytes": self._bytes, "sha256": self._hash.hexdigest()}


@contextlib.contextmanager
def _hashed_file(path: Path) -> Iterator[_HashedFile]:
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        yield _HashedFile(stream)


def _paths(folder: Path, split: str) -> tuple[Path, Path, Path]:
    """Paths of a split's pictures, labels and index."""
    return folder / f"{split}.pictures.bin", folder / f"{split}.labels.bin", folder / f"{split}.index.json"


def _read_index(path: Path) -> tuple[list[str], list[tuple[int, int]]]:
    index = read_json(path, DatasetError, PREPARE_AGAIN)
    try:
        ids, sizes = index["ids"], [(height, width) for height, width in index["sizes"]]
        sides = [side for size in sizes for side in size]
        if not (isinstance(ids, list) and all(isinstance(id, str) for id in ids)):
            raise ValueError("ids are texts")
        if not all(type(side) is int and side > 0 for side in sides):
            raise ValueError("sizes are whole numbers above 0")
    except (KeyError, TypeError, ValueError) as problem:
        raise DatasetError(f"{path} is not an index of pictures ({problem})", PREPARE_AGAIN) from problem
    if not ids or len(ids) != len(sizes):
        raise DatasetError(f"{path} has {len(ids)} ids and {len(sizes)} sizes", PREPARE_AGAIN)
    return ids, sizes


def _map(path: Path, expected: int) -> Bytes:
    try:
        found = path.stat().st_size
        if found != expected:
            raise DatasetError(f"{path} has {found} bytes, not the {expected} of its index", PREPARE_AGAIN)
        return np.memmap(path, dtype=np.uint8, mode="r").view(np.ndarray)
    except OSError as problem:
        raise DatasetError(f"cannot read {path}: {problem.strerror}", PREPARE_AGAIN) from problem


def _size_text(pixels: Bytes) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]}"
