"""The prepared form of a dataset: three large files per split.

``<split>.pictures.bin`` holds the images one after another, uint8 BGR (H, W, 3), and ``<split>.labels.bin`` their
labels, uint8 train ids (H, W), 255 for ignored pixels. ``<split>.index.json`` is ``{"ids": [...], "sizes":
[[height, width], ...]}``; where an image starts follows from the sizes before it.

In the compact form images and labels are PNG files, one after another, and the index also has ``"ends": [[image,
label], ...]``: where each ends, in bytes. Both forms give the same arrays; the compact one takes about half of the
disk, and more time to read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NotRequired, Self, TypedDict

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, StrictInt, StrictStr, ValidationError

from pointrend.errors import DatasetError
from pointrend.files import atomic_path, canonical_json, read_json

Bytes = NDArray[np.uint8]

RAW, COMPACT = "raw", "compact"  # the two forms
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
        self._folder = Path(folder)
        self._split = split
        self._compact = form == COMPACT
        self._index: dict[str, list[Any]] = {"ids": [], "sizes": [], "ends": []}

    def __enter__(self) -> Self:
        for leftover in self._folder.glob(f".{self._split}.*.tmp"):
            leftover.unlink()
        self._writing = self._open_files()
        self._writing.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._writing.__exit__(*exception)

    def add(self, id: str, image: Bytes, label: Bytes) -> None:
        """Append an image (H, W, 3), uint8 BGR, and its label (H, W), uint8 train ids.

        Raises:
            DatasetError: they differ in size.
        """
        if image.shape[:2] != label.shape:
            sizes = [f"{pixels.shape[1]}x{pixels.shape[0]}" for pixels in (image, label)]
            what = f"{id}: the image is {sizes[0]}, its mask {sizes[1]}"
            raise DatasetError(what, "the archives are damaged or do not belong together; fetch them again")
        for file, pixels in zip(self._files, (image, label), strict=False):
            png = cv2.imencode(".png", pixels, (cv2.IMWRITE_PNG_COMPRESSION, 1))[1].data if self._compact else None
            file.write(np.ascontiguousarray(pixels).data, png)
        for key, value in (("ids", id), ("sizes", label.shape), ("ends", [file.bytes for file in self._files[:2]])):
            self._index[key].append(value)

    @contextmanager
    def _open_files(self) -> Iterator[None]:
        paths = _paths(self._folder, self._split)
        with ExitStack() as stack:
            # Closed in reverse order: the index, without which the store does not exist, gets its name last.
            temporary = [stack.enter_context(atomic_path(path)) for path in reversed(paths)][::-1]
            self._files = [_HashedFile(stack.enter_context(open(path, "wb"))) for path in temporary]
            yield
            raw = canonical_json({key: self._index[key] for key in ("ids", "sizes")}).encode()
            self._files[2].write(raw, canonical_json(self._index).encode() if self._compact else None)
        self.files = {path.name: file.record for path, file in zip(paths, self._files, strict=True)}


class Store:
    """One prepared split, mapped into memory. It may be pickled; the copy maps the files anew.

    ``ids`` are the images' ids and ``sizes`` their (height, width), both in the order of the indices.

    Raises:
        DatasetError: a file is missing, unreadable, or shorter or longer than in the index.
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
        self._data = [_map(path, end) for path, end in zip((pictures, labels), self._ends[-1], strict=True)]

    def __len__(self) -> int:
        return len(self.ids)

    def __reduce__(self) -> tuple[type[Store], tuple[Path, str]]:
        return Store, (self.folder, self.split)

    def picture(self, index: int) -> Bytes:
        """An image, (H, W, 3), uint8, BGR, not to be written to: in raw form a view of the file."""
        return self._pixels(0, index, (*self.sizes[index], 3))

    def label(self, index: int) -> Bytes:
        """A label, (H, W), uint8 train ids, 255 for ignored pixels, not to be written to."""
        return self._pixels(1, index, self.sizes[index])

    def _pixels(self, of: int, index: int, shape: tuple[int, ...]) -> Bytes:
        data = self._data[of][self._ends[index][of] : self._ends[index + 1][of]]
        if self.form == RAW:
            return data.reshape(shape)
        pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
        if pixels is None or pixels.shape != shape:
            raise DatasetError(f"{self.ids[index]} of {self.split} in {self.folder} cannot be decoded", PREPARE_AGAIN)
        pixels.setflags(write=False)
        return np.asarray(pixels, dtype=np.uint8)


class _HashedFile:
    """A file that is hashed while it is written, as is what it would hold in raw form."""

    def __init__(self, stream: BinaryIO) -> None:
        self.bytes = 0
        self._stream = stream
        self._hash, self._raw_hash = hashlib.sha256(), hashlib.sha256()
        self._raw = True

    def write(self, raw: memoryview | bytes, encoded: memoryview | bytes | None) -> None:
        """Append ``encoded``, which represents the bytes ``raw``; None: these themselves."""
        self._hash.update(raw if encoded is None else encoded)
        if encoded is not None:
            self._raw = False
            self._raw_hash.update(raw)
        self.bytes += self._stream.write(raw if encoded is None else encoded)

    @property
    def record(self) -> FileRecord:
        record: FileRecord = {"bytes": self.bytes, "sha256": self._hash.hexdigest()}
        return record if self._raw else {**record, "raw_sha256": self._raw_hash.hexdigest()}


def _paths(folder: Path, split: str) -> tuple[Path, Path, Path]:
    """Paths of a split's images, labels and index."""
    return folder / f"{split}.pictures.bin", folder / f"{split}.labels.bin", folder / f"{split}.index.json"


AboveZero = Annotated[StrictInt, Field(gt=0)]
Pairs = list[tuple[AboveZero, AboveZero]]


class _Index(BaseModel):
    ids: list[StrictStr] = Field(min_length=1)
    sizes: Pairs
    ends: Pairs | None = None


def _read_index(path: Path) -> tuple[list[str], Pairs, Pairs | None]:
    """Ids, sizes, and in the compact form the ends."""
    content = read_json(path, DatasetError, PREPARE_AGAIN)
    try:
        index = _Index.model_validate(content)
    except ValidationError as problem:
        raise DatasetError(f"{path} is not an index of images ({problem.errors()[0]['msg']})", PREPARE_AGAIN) from None
    for what, pairs in (("sizes", index.sizes), ("ends", index.ends)):
        if pairs is not None and len(pairs) != len(index.ids):
            raise DatasetError(f"{path} has {len(index.ids)} ids and {len(pairs)} {what}", PREPARE_AGAIN)
    return index.ids, index.sizes, index.ends


def _map(path: Path, expected: int) -> Bytes:
    try:
        found = path.stat().st_size
        if found != expected:
            raise DatasetError(f"{path} has {found} bytes, not the {expected} of its index", PREPARE_AGAIN)
        return np.memmap(path, dtype=np.uint8, mode="r").view(np.ndarray)
    except OSError as problem:
        raise DatasetError(f"cannot read {path}: {problem.strerror}", PREPARE_AGAIN) from problem
