"""Cityscapes with fine annotations, from the labelIds masks (RECIPE section 2.3)."""

from __future__ import annotations

from pointrend.datasets.classes import DatasetClasses
from pointrend.datasets.prepare.samples import PairedSource

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


class CityscapesSource(PairedSource):
    """Cityscapes' two archives. An id is ``<city>/<file name without its ending>``; the test split is skipped."""

    archive_names = ("leftImg8bit_trainvaltest.zip", "gtFine_trainvaltest.zip")
    images = archive_names[0], "leftImg8bit/{folder}/{id}_leftImg8bit.png"
    masks = archive_names[1], "gtFine/{folder}/{id}_gtFine_labelIds.png"
    folders = {"train": "train", "val": "val"}  # noqa: RUF012 never changed


SOURCE = CityscapesSource
CLASSES = DatasetClasses.of("Cityscapes", NAMES, COLOURS, raw_values=LABEL_IDS, ignored=range(34))
