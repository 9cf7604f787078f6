"""PASCAL VOC 2012 "trainaug" and val from the two official archives (RECIPE section 2.1).

trainaug is VOC's train set with everything that the Semantic Boundaries Dataset (SBD, Hariharan et al. 2011) labels,
without VOC's val set. Where VOC's train set has a picture its own mask is used, SBD's elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pointrend.datasets.classes import DatasetClasses, split_names
from pointrend.datasets.prepare.masks import FETCH_AGAIN, decode_mask, decode_sbd_mask
from pointrend.datasets.prepare.samples import ArchiveSource, EncodedSample
from pointrend.errors import DatasetError

VOC_ARCHIVE = "VOCtrainval_11-May-2012.tar"
SBD_ARCHIVE = "benchmark.tgz"

PICTURE = "VOCdevkit/VOC2012/JPEGImages/{}.jpg"
MASK = "VOCdevkit/VOC2012/SegmentationClass/{}.png"
ID_LIST = "VOCdevkit/VOC2012/ImageSets/Segmentation/{}.txt"
SBD_MASK = "benchmark_RELEASE/dataset/cls/{}.mat"
SBD_ID_LIST = "benchmark_RELEASE/dataset/{}.txt"

NAMES = """
    background, aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, diningtable, dog, horse, motorbike,
    person, pottedplant, sheep, sofa, train, tvmonitor
"""


class VocSource(ArchiveSource):
    """VOC 2012 and SBD; the masks are VOC's for val and for VOC's train set, SBD's for the rest of trainaug."""

    archive_names = (VOC_ARCHIVE, SBD_ARCHIVE)
    label_source = "VOC 2012 for the pictures of its train set, SBD for the other pictures of trainaug"

    def splits(self) -> dict[str, list[str]]:
        train, val = self._voc_ids("train"), self._voc_ids("val")
        sbd_lists = self._read_from_sbd(SBD_ID_LIST, ["train", "val"])
        sbd = [id for split, text in sbd_lists.items() for id in read_ids(SBD_ID_LIST.format(split), text)]
        trainaug = sorted({*train, *sbd} - set(val))
        self._require(PICTURE, [*trainaug, *val], "picture")
        self._require(MASK, [*train, *val], "mask")
        return {"train": trainaug, "val": val}

    def samples(self, split: str, ids: Sequence[str]) -> Iterator[EncodedSample]:
        labelled_by_voc = set(self._voc_ids(split))
        sbd_masks = self._read_from_sbd(SBD_MASK, [id for id in ids if id not in labelled_by_voc])
        voc = self.readers[VOC_ARCHIVE]
        for id in ids:
            picture = voc.read(PICTURE.format(id))
            if id in labelled_by_voc:
                yield EncodedSample(id, picture, voc.read(MASK.format(id)), decode_mask)
            else:
                yield EncodedSample(id, picture, sbd_masks[id], decode_sbd_mask)

    def _voc_ids(self, split: str) -> list[str]:
        name = ID_LIST.format(split)
        return read_ids(name, self.readers[VOC_ARCHIVE].read(name))

    def _require(self, pattern: str, ids: Sequence[str], what: str) -> None:
        present = set(self.readers[VOC_ARCHIVE].names())
        for id in ids:
            if pattern.format(id) not in present:
                raise DatasetError(f"{id}: {VOC_ARCHIVE} has no such {what}", FETCH_AGAIN)

    def _read_from_sbd(self, pattern: str, ids: Sequence[str]) -> dict[str, bytes]:
        # A .tgz can only be read from its start, so all that is wanted is taken in one pass. It fits in memory: as they
        # lie in the archive, masks are a few kilobytes each.
        names = {pattern.format(id): id for id in ids}
        return {names[name]: data for name, data in self.readers[SBD_ARCHIVE].stream(names)}


def read_ids(name: str, text: bytes) -> list[str]:
    """The ids of a list with one id a line; blank lines are passed over, a repeated id is an error."""
    ids = [line.strip() for line in text.decode("utf-8-sig", errors="replace").splitlines() if line.strip()]
    seen: set[str] = set()
    for id in ids:
        if id in seen:
            raise DatasetError(f"{id} is listed twice in {name}", FETCH_AGAIN)
        seen.add(id)
    return ids


def palette(count: int) -> NDArray[np.uint8]:
    """The development kit's rule: bits 0, 1, 2 of a class go to red, green, blue, highest place first, and so on."""
    colours = np.zeros((count, 3), dtype=np.uint8)
    classes = np.arange(count)
    for place in range(8):
        for channel in range(3):
            colours[:, channel] |= ((classes >> (3 * place + channel) & 1) << (7 - place)).astype(np.uint8)
    return colours


SOURCE = VocSource
CLASSES = DatasetClasses.of("PASCAL VOC 2012", split_names(NAMES), palette(21), raw_values=range(21), ignored=[255])
