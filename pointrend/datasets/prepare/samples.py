"""From a dataset's archives to pictures and train ids: what VOC, ADE20K and Cityscapes have in common."""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from pointrend.datasets.classes import DatasetClasses
from pointrend.datasets.prepare.archives import ArchiveReader
from pointrend.datasets.prepare.damage import damage
from pointrend.datasets.prepare.masks import FETCH_AGAIN
from pointrend.errors import DatasetError

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class EncodedSample:
    """A picture and its mask as the archives hold them.

    ``decode_mask`` turns the mask, named by the id in errors, into raw label values (H, W), uint8.
    """

    id: str
    picture: bytes
    mask: bytes
    decode_mask: Callable[[str, bytes], Bytes]


@dataclass(frozen=True)
class Sample:
    """A picture (H, W, 3), uint8 BGR; its label, uint8 train ids; the pixels of each train id, int64 (256,)."""

    id: str
    picture: Bytes
    label: Bytes
    pixels: NDArray[np.int64]


class ArchiveSource(ABC):
    """The archives of one dataset, open for reading: a context manager.

    ``archives`` are paths by official file name. Raises DatasetError where one is not given.
    """

    archive_names: ClassVar[tuple[str, ...]]
    label_source: ClassVar[str | None] = None
    """Which of several annotations is used, where a dataset has several."""

    def __init__(self, archives: Mapping[str, Path]) -> None:
        for name in self.archive_names:
            if name not in archives:
                raise DatasetError(f"{name} is not there", "run `pointrend fetch` first")
        self._archives = archives

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.readers = {
                name: stack.enter_context(ArchiveReader(self._archives[name])) for name in self.archive_names
            }
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.__exit__(*exception)

    def ids(self, archive: str, pattern: str) -> set[str]:
        """What stands for ``{id}`` of ``pattern`` in an archive's names.

        Raises ArchiveError where the archive does not have the folder of the pattern.
        """
        reader = self.readers[archive]
        found = ids_in(reader.names(), pattern)
        if not found:
            reader.require_folder(pattern.split("{id}")[0].rpartition("/")[0])
        return found

    @abstractmethod
    def splits(self) -> dict[str, list[str]]:
        """All ids of "train" and of "val", in the order of the prepared form.

        Raises DatasetError where a picture or a mask is missing.
        """

    @abstractmethod
    def samples(self, split: str, ids: Sequence[str]) -> Iterator[EncodedSample]:
        """The samples of some ids of a split, in the order of ``ids``."""


def ids_in(names: Iterable[str], pattern: str) -> set[str]:
    """What stands for ``{id}`` of ``pattern`` in those of the names that match it."""
    prefix, suffix = pattern.split("{id}")
    return {
        name.removeprefix(prefix).removesuffix(suffix)
        for name in names
        if name.startswith(prefix) and name.endswith(suffix)
    }


def paired_ids(pictures: set[str], masks: set[str]) -> list[str]:
    """The ids, sorted, of pictures that all have their mask and masks that all have their picture."""
    for id in sorted(pictures ^ masks):
        lone, lacking = ("picture", "mask") if id in pictures else ("mask", "picture")
        raise DatasetError(f"{id}: the {lone} has no {lacking}", FETCH_AGAIN)
    return sorted(pictures)


def decode_picture(id: str, data: bytes) -> Bytes:
    """A picture (H, W, 3), uint8 BGR, as OpenCV's colour read gives it; that includes turning it as EXIF says."""
    try:
        picture = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        picture = None
    if picture is None:
        raise DatasetError(f"{id}: the picture cannot be decoded", FETCH_AGAIN)
    return np.asarray(picture, dtype=np.uint8)


def decode_sample(encoded: EncodedSample, classes: DatasetClasses, inspect: bool = True) -> Sample:
    """Decode a picture and its mask. Raises DatasetError naming the id, and the value if a label value is wrong.

    With ``inspect`` it is raised, too, for files that can be decoded but show signs of damage.
    """
    picture = decode_picture(encoded.id, encoded.picture)
    mask = encoded.decode_mask(encoded.id, encoded.mask)
    for what, data in (("picture", encoded.picture), ("mask", encoded.mask)):
        if inspect and (found := damage(data)):
            raise DatasetError(f"{encoded.id}: the {what} is damaged, {found}", FETCH_AGAIN)
    counts = np.bincount(mask.ravel(), minlength=256)
    for value in np.flatnonzero(counts.astype(bool) & classes.forbidden):
        raise DatasetError(f"{encoded.id}: the mask has label value {value}, not one of {classes.title}", FETCH_AGAIN)
    pixels = np.zeros(256, dtype=np.int64)
    np.add.at(pixels, classes.train_ids, counts)
    return Sample(encoded.id, picture, np.asarray(cv2.LUT(mask, classes.train_ids), dtype=np.uint8), pixels)


def decode_samples(encoded: Iterable[EncodedSample], classes: DatasetClasses, inspect: bool = True) -> Iterator[Sample]:
    """Decode samples in parallel; they come out in the order they went in, and few are in memory at a time.

    ``inspect``: see :func:`decode_sample`.
    """
    threads = min(8, os.cpu_count() or 1)
    pending: deque[Future[Sample]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for sample in encoded:
            pending.append(pool.submit(decode_sample, sample, classes, inspect))
            if len(pending) > 2 * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
