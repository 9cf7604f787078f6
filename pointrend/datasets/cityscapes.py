"""Cityscapes with fine annotations, from the labelIds masks (RECIPE section 2.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pointrend.datasets.classes import CITYSCAPES
from pointrend.datasets.masks import decode_mask
from pointrend.datasets.samples import ArchiveSource, EncodedSample, ids_in, paired_ids

PICTURE_ARCHIVE = "leftImg8bit_trainvaltest.zip"
MASK_ARCHIVE = "gtFine_trainvaltest.zip"

PICTURES = "leftImg8bit/{split}/{id}_leftImg8bit.png"
MASKS = "gtFine/{split}/{id}_gtFine_labelIds.png"


class CityscapesSource(ArchiveSource):
    """Cityscapes' two archives. An id is ``<city>/<file name without its ending>``; the test split is passed over."""

    archive_names = (PICTURE_ARCHIVE, MASK_ARCHIVE)

    def splits(self) -> dict[str, list[str]]:
        pictures, masks = self.readers[PICTURE_ARCHIVE].names(), self.readers[MASK_ARCHIVE].names()
        return {
            split: paired_ids(
                ids_in(pictures, PICTURES.format(split=split, id="{id}")),
                ids_in(masks, MASKS.format(split=split, id="{id}")),
            )
            for split in ("train", "val")
        }

    def samples(self, split: str, ids: Sequence[str]) -> Iterator[EncodedSample]:
        pictures, masks = self.readers[PICTURE_ARCHIVE], self.readers[MASK_ARCHIVE]
        for id in ids:
            picture = pictures.read(PICTURES.format(split=split, id=id))
            mask = masks.read(MASKS.format(split=split, id=id))
            yield EncodedSample(id, picture, mask, decode_mask)


SOURCE, CLASSES = CityscapesSource, CITYSCAPES
