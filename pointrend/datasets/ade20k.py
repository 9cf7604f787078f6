"""ADE20K as in the scene parsing challenge of 2016 (RECIPE section 2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pointrend.datasets.classes import ADE20K
from pointrend.datasets.masks import decode_mask
from pointrend.datasets.samples import ArchiveSource, EncodedSample, ids_in, paired_ids

ARCHIVE = "ADEChallengeData2016.zip"

PICTURES = "ADEChallengeData2016/images/{folder}/{id}.jpg"
MASKS = "ADEChallengeData2016/annotations/{folder}/{id}.png"
FOLDERS = {"train": "training", "val": "validation"}


class Ade20kSource(ArchiveSource):
    """ADE20K's one archive. It has no lists of ids: the splits are the sorted file names."""

    archive_names = (ARCHIVE,)

    def splits(self) -> dict[str, list[str]]:
        names = self.readers[ARCHIVE].names()
        return {
            split: paired_ids(
                ids_in(names, PICTURES.format(folder=folder, id="{id}")),
                ids_in(names, MASKS.format(folder=folder, id="{id}")),
            )
            for split, folder in FOLDERS.items()
        }

    def samples(self, split: str, ids: Sequence[str]) -> Iterator[EncodedSample]:
        reader, folder = self.readers[ARCHIVE], FOLDERS[split]
        for id in ids:
            picture = reader.read(PICTURES.format(folder=folder, id=id))
            mask = reader.read(MASKS.format(folder=folder, id=id))
            yield EncodedSample(id, picture, mask, decode_mask)


SOURCE, CLASSES = Ade20kSource, ADE20K
