"""The classes of a dataset: names, colours and label values, which every dataset's module defines.

A raw label value is a value in the masks of the archives. A train id is the class's index in ``names``; 255 is
ignored everywhere in this project.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The train id of pixels that neither the loss nor the metric counts.
IGNORE = 255


@dataclass(frozen=True, eq=False)
class DatasetClasses:
    """The classes of a dataset.

    ``palette`` is uint8 (K, 3), RGB. ``train_ids`` is uint8 (256,): the train id of every raw label value, 255 for
    ignored ones and for those of ``forbidden``, bool (256,), which no mask of this dataset may hold.
    """

    title: str
    names: tuple[str, ...]
    palette: NDArray[np.uint8]
    train_ids: NDArray[np.uint8]
    forbidden: NDArray[np.bool_]

    @property
    def raw_values(self) -> NDArray[np.uint8]:
        """The raw label value of every train id, uint8 (K,); the lowest where several mean the same class."""
        return np.array([np.flatnonzero(self.train_ids == i)[0] for i in range(len(self.names))], dtype=np.uint8)

    @classmethod
    def of(
        cls, title: str, names: str, colours: str, raw_values: Sequence[int], ignored: Iterable[int]
    ) -> DatasetClasses:
        """``names`` are separated by commas, ``colours`` (six hexadecimal digits each) by spaces, in train id order.

        ``raw_values`` are the classes' raw label values in the same order; a class wins over ``ignored``.
        """
        palette = np.array([list(bytes.fromhex(colour)) for colour in colours.split()], dtype=np.uint8)
        train_ids = np.full(256, IGNORE, dtype=np.uint8)
        train_ids[list(raw_values)] = range(len(raw_values))
        forbidden = np.ones(256, dtype=np.bool_)
        forbidden[[*raw_values, *ignored]] = False
        for array in (palette, train_ids, forbidden):
            array.setflags(write=False)
        return cls(title, tuple(name.strip() for name in names.split(",")), palette, train_ids, forbidden)
