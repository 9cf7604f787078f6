"""From a dataset's archives to images and train ids: what the datasets have in common."""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from pointrend.datasets.classes import DatasetClasses
from pointrend.datasets.prepare.archives import ArchiveReader
from pointrend.datasets.prepare.damage import damage
from pointrend.datasets.prepare.masks import FETCH_AGAIN, Bytes, decode_mask
from pointrend.errors import DatasetError

Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True)
class EncodedSample:
    """An image and its mask as the archives hold them.

    ``decode_mask`` turns the mask, named by the id in errors, into raw label values (H, W), uint8.
    """

    id: str
    image: bytes
    mask: bytes
    decode_mask: Callable[[str, bytes], Bytes]


@dataclass(frozen=True)
class Sample:
    """An image (H, W, 3), uint8 BGR; its label, uint8 train ids; the pixels of each train id, int64 (256,)."""

    id: str
    image: Bytes
    label: Bytes
    pixels: NDArray[np.int64]


class ArchiveSource(ABC):
    """The archives of one dataset, open for reading: a context manager.

    ``archives`` are paths by official file name. Raises DatasetError where one is not given.
    """

    archive_names: ClassVar[tuple[str, ...]]
    # The annotations that are used, where a dataset has several.
    label_source: ClassVar[str | None] = None

    def __init__(self, archives: Mapping[str, Path]) -> None:
        for name in self.archive_names:
            if name not in archives:
                raise DatasetError(f"{name} is missing", "run `pointrend fetch` first")
        self.readers = {name: ArchiveReader(archives[name]) for name in self.archive_names}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            for reader in self.readers.values():
                stack.enter_context(reader)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.close()

    @abstractmethod
    def splits(self) -> dict[str, list[str]]:
        """All ids of "train" and of "val", in the order of the prepared form.

        Raises DatasetError where an image or a mask is missing.
        """

    @abstractmethod
    def samples(self, split: str, ids: Sequence[str]) -> Iterator[EncodedSample]:
        """The samples of some ids of a split, in the order of ``ids``."""


class PairedSource(ArchiveSource):
    """A dataset without lists of ids: the names of its images and masks differ in folder and ending only.

    ``images`` and ``masks`` are an archive's name and the pattern of a member's name, with ``{folder}`` for what
    ``folders`` has for a split. The splits are the sorted ids.
    """

    images: ClassVar[tuple[str, str]]
    masks: ClassVar[tuple[str, str]]
    folders: ClassVar[Mapping[str, str]]

    def splits(self) -> dict[str, list[str]]:
        return {split: self._paired_ids(folder) for split, folder in self.folders.items()}

    def samples(self, split: str, ids: Sequence[str]) -> Iterator[EncodedSample]:
        for id in ids:
            image, mask = (
                self.readers[archive].read(pattern.format(folder=self.folders[split], id=id))
                for archive, pattern in (self.images, self.masks)
            )
            yield EncodedSample(id, image, mask, decode_mask)

    def _paired_ids(self, folder: str) -> list[str]:
        images, masks = (self._ids(archive, pattern, folder) for archive, pattern in (self.images, self.masks))
        for id in sorted(images ^ masks):
            lone, lacking = ("image", "mask") if id in images else ("mask", "image")
            raise DatasetError(f"{id}: the {lone} has no {lacking}", FETCH_AGAIN)
        return sorted(images)

    def _ids(self, archive: str, pattern: str, folder: str) -> set[str]:
        reader = self.readers[archive]
        prefix, suffix = pattern.format(folder=folder, id="\0").split("\0")
        matching = (name for name in reader.names() if name.startswith(prefix) and name.endswith(suffix))
        found = {name.removeprefix(prefix).removesuffix(suffix) for name in matching}
        if not found:
            reader.require_folder(prefix.rstrip("/"))
        return found


def decode_image(name: str, data: bytes, inspect: bool = True, do: str = FETCH_AGAIN) -> Bytes:
    """An image (H, W, 3), uint8 BGR, as OpenCV's colour read gives it; that includes the EXIF orientation.

    Raises DatasetError with the name and the advice ``do``; with ``inspect`` also where it shows signs of damage.
    """
    try:
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise DatasetError(f"{name}: the image cannot be decoded", do)
    if inspect and (sign := damage(data)):
        raise DatasetError(f"{name}: the image is damaged, {sign}", do)
    return np.asarray(image, dtype=np.uint8)


def decode_sample(encoded: EncodedSample, classes: DatasetClasses, inspect: bool = True) -> Sample:
    """Decode an image and its mask. Raises DatasetError with the id, and the value if a label value is wrong.

    ``inspect``: whether files that can be decoded are checked for signs of damage.
    """
    image = decode_image(encoded.id, encoded.image, inspect)
    mask = encoded.decode_mask(encoded.id, encoded.mask)
    if inspect and (sign := damage(encoded.mask)):
        raise DatasetError(f"{encoded.id}: the mask is damaged, {sign}", FETCH_AGAIN)
    counts = np.bincount(mask.ravel(), minlength=256)
    for value in np.flatnonzero(counts.astype(bool) & classes.forbidden):
        raise DatasetError(f"{encoded.id}: the mask has label value {value}, not one of {classes.title}", FETCH_AGAIN)
    pixels = np.zeros(256, dtype=np.int64)
    np.add.at(pixels, classes.train_ids, counts)
    return Sample(encoded.id, image, np.asarray(cv2.LUT(mask, classes.train_ids), dtype=np.uint8), pixels)


def decode_samples(encoded: Iterable[EncodedSample], classes: DatasetClasses, inspect: bool = True) -> Iterator[Sample]:
    """:func:`decode_sample` of several, in parallel; they come out in order, and few are in memory at a time."""
    threads = min(8, os.cpu_count() or 1)
    return prefetched(partial(decode_sample, classes=classes, inspect=inspect), encoded, threads, 2 * threads)


def prefetched(
    make: Callable[[Item], Made], items: Iterable[Item], threads: int = 1, ahead: int = 2
) -> Generator[Made, None, None]:
    """``make(item)`` of every item in order, made in other threads up to ``ahead`` items before it is asked for.

    What ``make`` raises comes out where that item would have come.
    """
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[Made]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
