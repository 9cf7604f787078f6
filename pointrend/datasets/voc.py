"""PASCAL VOC 2012 "trainaug" and val from the two official archives (RECIPE section 2.1).

trainaug is VOC's train set with everything that the Semantic Boundaries Dataset (SBD, Hariharan et al. 2011) labels,
without VOC's val set. VOC's own mask is used for the images of its train set, SBD's for the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property

from pointrend.datasets.classes import DatasetClasses
from pointrend.datasets.prepare.masks import FETCH_AGAIN, decode_mask, decode_sbd_mask
from pointrend.datasets.prepare.samples import ArchiveSource, EncodedSample
from pointrend.errors import DatasetError

VOC_ARCHIVE = "VOCtrainval_11-May-2012.tar"
SBD_ARCHIVE = "benchmark.tgz"

IMAGE = "VOCdevkit/VOC2012/JPEGImages/{}.jpg"
MASK = "VOCdevkit/VOC2012/SegmentationClass/{}.png"
ID_LIST = "VOCdevkit/VOC2012/ImageSets/Segmentation/{}.txt"
SBD_MASK = "benchmark_RELEASE/dataset/cls/{}.mat"
SBD_ID_LISTS = ("benchmark_RELEASE/dataset/train.txt", "benchmark_RELEASE/dataset/val.txt")

NAMES = """
    background, aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, diningtable, dog, horse, motorbike,
    person, pottedplant, sheep, sofa, train, tvmonitor
"""

# The colours of the development kit.
COLOURS = """
    000000 800000 008000 808000 000080 800080 008080 808080 400000 c00000 408000
    c08000 400080 c00080 408080 c08080 004000 804000 00c000 80c000 004080
"""


class VocSource(ArchiveSource):
    """VOC 2012 and SBD; the masks are VOC's for val and for VOC's train set, SBD's for the rest of trainaug."""

    archive_names = (VOC_ARCHIVE, SBD_ARCHIVE)
    label_source = "VOC 2012 for the pictures of its train set, SBD for the other pictures of trainaug"

    @cached_property
    def _sbd(self) -> dict[str, bytes]:
        """SBD's lists and masks by member name.

        A .tgz can only be read from its start, so they are read in one pass. Encoded masks have a few kilobytes each.
        """
        reader = self.readers[SBD_ARCHIVE]
        folder = SBD_MASK.partition("{}")[0]
        return dict(reader.stream({*SBD_ID_LISTS, *(name for name in reader.names() if name.startswith(folder))}))

    def splits(self) -> dict[str, list[str]]:
        train, val = self._voc_ids("train"), self._voc_ids("val")
        sbd = [id for name in SBD_ID_LISTS for id in read_ids(name, self._sbd[name])]
        trainaug = sorted({*train, *sbd} - set(val))
        for archive, what, pattern, ids in (
            (VOC_ARCHIVE, "image", IMAGE, [*trainaug, *val]),
            (VOC_ARCHIVE, "mask", MASK, [*train, *val]),
            (SBD_ARCHIVE, "mask", SBD_MASK, sorted(set(trainaug) - set(train))),
        ):
            present = set(self.readers[archive].names())
            for id in ids:
                if pattern.format(id) not in present:
                    raise DatasetError(f"{id}: {archive} has no such {what}", FETCH_AGAIN)
        return {"train": trainaug, "val": val}

    def samples(self, split: str, ids: Sequence[str]) -> Iterator[EncodedSample]:
        labelled_by_voc = set(self._voc_ids(split))
        voc = self.readers[VOC_ARCHIVE]
        for id in ids:
            image = voc.read(IMAGE.format(id))
            if id in labelled_by_voc:
                yield EncodedSample(id, image, voc.read(MASK.format(id)), decode_mask)
            else:
                yield EncodedSample(id, image, self._sbd[SBD_MASK.format(id)], decode_sbd_mask)

    def _voc_ids(self, split: str) -> list[str]:
        name = ID_LIST.format(split)
        return read_ids(name, self.readers[VOC_ARCHIVE].read(name))


def read_ids(name: str, text: bytes) -> list[str]:
    """The ids of a list with one id per line; blank lines are skipped, a repeated id is an error."""
    ids = [line.strip() for line in text.decode("utf-8-sig", errors="replace").splitlines() if line.strip()]
    for id, count in Counter(ids).items():
        if count > 1:
            raise DatasetError(f"{id} is listed twice in {name}", FETCH_AGAIN)
    return ids


SOURCE = VocSource
CLASSES = DatasetClasses.of("PASCAL VOC 2012", NAMES, COLOURS, raw_values=range(21), ignored=[255])
