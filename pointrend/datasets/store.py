"""The prepared form of a dataset: three large files per split.

``<split>.pictures.bin`` holds the pictures one after another, uint8 BGR (H, W, 3), and ``<split>.labels.bin`` their
labels, uint8 train ids (H, W) with 255 for ignored pixels. ``<split>.index.json`` is ``{"ids": [...], "sizes":
[[height, width], ...]}``; where a picture starts follows from the sizes before it.

In the compact form pictures and labels are PNG files, one after another, and the index has ``"ends": [[picture, label],
...]`` as well: where each ends, in bytes. The same arrays come out of either form; compact ones take about half of the
disk, and more time to be read.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NotRequired, Self, TypedDict

import cv2
import numpy as np
from numpy.typing import NDArray

from pointrend.errors import DatasetError
from pointrend.files import atomic_path, canonical_json, read_json

Bytes = NDArray[np.uint8]

RAW, COMPACT = "raw", "compact"
"""The two forms."""
QUICKLY = (cv2.IMWRITE_PNG_COMPRESSION, 1)
PREPARE_AGAIN = "run `pointrend prepare` again"


class FileRecord(TypedDict):
    """Size and sha256 (hex) of a file; in compact form also the sha256 that it has in raw form."""

    bytes: int
    sha256: str
    raw_sha256: NotRequired[str]


class StoreWriter:
    """Writes one split; a context manager. The files get their names when the block ends without an error.

    ``files`` then holds their records by name. What a killed writer of the same split left behind is removed first.
    """

    def __init__(self, folder: Path, split: str, form: str = RAW) -> None:
        self.files: dict[str, FileRecord] = {}
        self._form = form
        self._ends: list[tuple[int, int]] = []
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
        for file, pixels in ((self._pictures, picture), (self._labels, label)):
            data = np.ascontiguousarray(pixels).data
            file.write(data, None if self._form == RAW else cv2.imencode(".png", pixels, QUICKLY)[1].data)
        self._ends.append((self._pictures.bytes, self._labels.bytes))
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
            raw = {"ids": self._ids, "sizes": self._sizes}
            compact = {**raw, "ends": self._ends}
            index.write(canonical_json(raw).encode(), None if self._form == RAW else canonical_json(compact).encode())
        files = (self._pictures, self._labels, index)
        self.files = {path.name: file.record for path, file in zip(paths, files, strict=True)}


class Store:
    """One prepared split, mapped into memory. It may be pickled; the copy maps the files anew.

    ``ids`` are the pictures' ids and ``sizes`` their (height, width), both in the order of the indices. Raises
    DatasetError where a file is missing, unreadable, or shorter or longer than the index says.
    """

    def __init__(self, folder: Path, split: str) -> None:
        self.folder = Path(folder)
        self.split = split
        pictures, labels, index = _paths(self.folder, split)
        self.ids, self.sizes, ends = _read_index(index)
        self.form = RAW if ends is None else COMPACT
        if ends is None:
            pixels = np.cumsum([height * width for height, width in self.sizes])
            ends = [(3 * end, end) for end in pixels.tolist()]
        self._ends = [(0, 0), *ends]
        self._pictures = _map(pictures, self._ends[-1][0])
        self._labels = _map(labels, self._ends[-1][1])

    def __len__(self) -> int:
        return len(self.ids)

    def __reduce__(self) -> tuple[type[Store], tuple[Path, str]]:
        return Store, (self.folder, self.split)

    def picture(self, index: int) -> Bytes:
        """A picture, (H, W, 3), uint8, BGR, not to be written to: in raw form a view of the file."""
        start, stop = self._ends[index][0], self._ends[index + 1][0]
        return self._pixels(self._pictures[start:stop], index, (*self.sizes[index], 3))

    def label(self, index: int) -> Bytes:
        """A label, (H, W), uint8 train ids, 255 for ignored pixels, not to be written to."""
        start, stop = self._ends[index][1], self._ends[index + 1][1]
        return self._pixels(self._labels[start:stop], index, self.sizes[index])

    def size(self, index: int) -> tuple[int, int]:
        """(height, width) of a picture, in pixels."""
        return self.sizes[index]

    def _pixels(self, data: Bytes, index: int, shape: tuple[int, ...]) -> Bytes:
        if self.form == RAW:
            return data.reshape(shape)
        pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
        if pixels is None or pixels.shape != shape:
            raise DatasetError(f"{self.ids[index]} of {self.split} in {self.folder} cannot be decoded", PREPARE_AGAIN)
        pixels.setflags(write=False)
        return np.asarray(pixels, dtype=np.uint8)


class _HashedFile:
    """A file that is hashed while it is written, and with it what it would hold in raw form."""

    def __init__(self, stream: BinaryIO) -> None:
        self.bytes = 0
        self._stream = stream
        self._hash, self._raw_hash = hashlib.sha256(), hashlib.sha256()
        self._raw = True

    def write(self, raw: memoryview | bytes, encoded: memoryview | bytes | None = None) -> None:
        """Append ``encoded``, which stands for the bytes ``raw``; None: these themselves."""
        self._hash.update(raw if encoded is None else encoded)
        if encoded is not None:
            self._raw = False
            self._raw_hash.update(raw)
        self.bytes += self._stream.write(raw if encoded is None else encoded)

    @property
    def record(self) -> FileRecord:
        record: FileRecord = {"bytes": self.bytes, "sha256": self._hash.hexdigest()}
        return record if self._raw else {**record, "raw_sha256": self._raw_hash.hexdigest()}


@contextlib.contextmanager
def _hashed_file(path: Path) -> Iterator[_HashedFile]:
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        yield _HashedFile(stream)


def _paths(folder: Path, split: str) -> tuple[Path, Path, Path]:
    """Paths of a split's pictures, labels and index."""
    return folder / f"{split}.pictures.bin", folder / f"{split}.labels.bin", folder / f"{split}.index.json"


Pairs = list[tuple[int, int]]


def _read_index(path: Path) -> tuple[list[str], Pairs, Pairs | None]:
    """Ids, sizes, and in the compact form the ends."""
    index = read_json(path, DatasetError, PREPARE_AGAIN)
    try:
        ids, sizes = index["ids"], [(height, width) for height, width in index["sizes"]]
        ends = [(picture, label) for picture, label in index["ends"]] if "ends" in index else None
        if not (isinstance(ids, list) and all(isinstance(id, str) for id in ids)):
            raise ValueError("ids are texts")
        for what, pairs in (("sizes", sizes), ("ends", ends or [])):
            if not all(type(number) is int and number > 0 for pair in pairs for number in pair):
                raise ValueError(f"{what} are whole numbers above 0")
    except (KeyError, TypeError, ValueError) as problem:
        raise DatasetError(f"{path} is not an index of pictures ({problem})", PREPARE_AGAIN) from problem
    if not ids or len(ids) != len(sizes):
        raise DatasetError(f"{path} has {len(ids)} ids and {len(sizes)} sizes", PREPARE_AGAIN)
    if ends is not None and len(ends) != len(ids):
        raise DatasetError(f"{path} has {len(ids)} ids and {len(ends)} ends", PREPARE_AGAIN)
    return ids, sizes, ends


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
