"""Cityscapes with fine annotations, from the labelIds masks (RECIPE section 2.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pointrend.datasets.classes import DatasetClasses, split_colours, split_names
from pointrend.datasets.prepare.masks import decode_mask
from pointrend.datasets.prepare.samples import ArchiveSource, EncodedSample, paired_ids

PICTURE_ARCHIVE = "leftImg8bit_trainvaltest.zip"
MASK_ARCHIVE = "gtFine_trainvaltest.zip"

PICTURES = "leftImg8bit/{split}/{id}_leftImg8bit.png"
MASKS = "gtFine/{split}/{id}_gtFine_labelIds.png"

NAMES = """
    road, sidewalk, building, wall, fence, pole, traffic light, traffic sign, vegetation, terrain, sky, person, rider,
    car, truck, bus, train, motorcycle, bicycle
"""

# The colours of cityscapesScripts.
COLOURS = """
    804080 f423e8 464646 66669c be9999 999999 faaa1e dcdc00 6b8e23 98fb98
    4682b4 dc143c ff0000 00008e 000046 003c64 005064 0000e6 770b20
"""

LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


class CityscapesSource(ArchiveSource):
    """Cityscapes' two archives. An id is ``<city>/<file name without its ending>``; the test split is passed over."""

    archive_names = (PICTURE_ARCHIVE, MASK_ARCHIVE)

    def splits(self) -> dict[str, list[str]]:
        return {
            split: paired_ids(
                self.ids(PICTURE_ARCHIVE, PICTURES.format(split=split, id="{id}")),
                self.ids(MASK_ARCHIVE, MASKS.format(split=split, id="{id}")),
            )
            for split in ("train", "val")
        }

    def samples(self, split: str, ids: Sequence[str]) -> Iterator[EncodedSample]:
        pictures, masks = self.readers[PICTURE_ARCHIVE], self.readers[MASK_ARCHIVE]
        for id in ids:
            picture = pictures.read(PICTURES.format(split=split, id=id))
            mask = masks.read(MASKS.format(split=split, id=id))
            yield EncodedSample(id, picture, mask, decode_mask)


SOURCE = CityscapesSource
CLASSES = DatasetClasses.of(
    "Cityscapes", split_names(NAMES), split_colours(COLOURS), raw_values=LABEL_IDS, ignored=range(34)
)
