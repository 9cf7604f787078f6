"""Class names, colours and label values of the three datasets (RECIPE section 2).

A raw label value is what the masks of the archives hold. A train id is the class's place in ``names``; 255 is
ignored everywhere in this project.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IGNORE = 255
"""The train id of pixels that neither the loss nor the metric sees."""

VOC_NAMES = """
    background, aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, diningtable, dog, horse, motorbike,
    person, pottedplant, sheep, sofa, train, tvmonitor
"""

ADE20K_NAMES = """
    wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person, earth, door,
    table, mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea, mirror, rug, field,
    armchair, seat, fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column, signboard,
    chest of drawers, counter, sand, sink, skyscraper, fireplace, refrigerator, grandstand, path, stairs, runway,
    case, pool table, pillow, screen door, stairway, river, bridge, bookcase, blind, coffee table, toilet, flower,
    book, hill, bench, countertop, stove, palm, kitchen island, computer, swivel chair, boat, bar, arcade machine,
    hovel, bus, towel, light, truck, tower, chandelier, awning, streetlight, booth, television, airplane, dirt track,
    apparel, pole, land, bannister, escalator, ottoman, bottle, buffet, poster, stage, van, ship, fountain,
    conveyer belt, canopy, washer, plaything, swimming pool, stool, barrel, basket, waterfall, tent, bag, minibike,
    cradle, oven, ball, food, step, tank, trade name, microwave, pot, animal, bicycle, lake, dishwasher, screen,
    blanket, sculpture, hood, sconce, vase, traffic light, tray, ashcan, fan, pier, crt screen, plate, monitor,
    bulletin board, shower, radiator, glass, clock, flag
"""

CITYSCAPES_NAMES = """
    road, sidewalk, building, wall, fence, pole, traffic light, traffic sign, vegetation, terrain, sky, person, rider,
    car, truck, bus, train, motorcycle, bicycle
"""

# CSAILVision's colour list for the 150 classes.
ADE20K_COLOURS = """
    787878 b47878 06e6e6 503232 04c803 787850 8c8c8c cc05ff e6e6e6 04fa07 e005ff ebff07 96053d 787846 08ff33
    ff0652 8fff8c ccff04 ff3307 cc4603 0066c8 3de6fa ff0633 0b66ff ff0747 ff09e0 0907e6 dcdcdc ff095c 7009ff
    08ffd6 07ffe0 ffb806 0aff47 ff290a 07ffff e0ff08 6608ff ff3d06 ffc207 ff7a08 00ff14 ff0829 ff0599 0633ff
    eb0cff a09614 00a3ff 8c8c8c fa0a0f 14ff00 1fff00 ff1f00 ffe000 99ff00 0000ff ff4700 00ebff 00adff 1f00ff
    0bc8c8 ff5200 00fff5 003dff 00ff70 00ff85 ff0000 ffa300 ff6600 c2ff00 008fff 33ff00 0052ff 00ff29 00ffad
    0a00ff adff00 00ff99 ff5c00 ff00ff ff00f5 ff0066 ffad00 ff0014 ffb8b8 001fff 00ff3d 0047ff ff00cc 00ffc2
    00ff52 000aff 0070ff 3300ff 00c2ff 007aff 00ffa3 ff9900 00ff0a ff7000 8fff00 5200ff a3ff00 ffeb00 08b8aa
    8500ff 00ff5c b800ff ff001f 00b8ff 00d6ff ff0070 5cff00 00e0ff 70e0ff 46b8a0 a300ff 9900ff 47ff00 ff00a3
    ffcc00 ff008f 00ffeb 85ff00 ff00eb f500ff ff007a fff500 0abed4 d6ff00 00ccff 1400ff ffff00 0099ff 0029ff
    00ffcc 2900ff 29ff00 ad00ff 00f5ff 4700ff 7a00ff 00ffb8 005cff b8ff00 0085ff ffd600 19c2c2 66ff00 5c00ff
"""

# The colours of cityscapesScripts.
CITYSCAPES_COLOURS = """
    804080 f423e8 464646 66669c be9999 999999 faaa1e dcdc00 6b8e23 98fb98
    4682b4 dc143c ff0000 00008e 000046 003c64 005064 0000e6 770b20
"""

CITYSCAPES_LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


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

    @classmethod
    def of(
        cls,
        title: str,
        names: Sequence[str],
        palette: NDArray[np.uint8],
        raw_values: Sequence[int],
        ignored: Iterable[int],
    ) -> DatasetClasses:
        """``raw_values`` are the classes' raw label values in train id order; a class wins over ``ignored``."""
        train_ids = np.full(256, IGNORE, dtype=np.uint8)
        train_ids[list(raw_values)] = range(len(raw_values))
        forbidden = np.ones(256, dtype=np.bool_)
        forbidden[[*raw_values, *ignored]] = False
        for array in (palette, train_ids, forbidden):
            array.setflags(write=False)
        return cls(title, tuple(names), palette, train_ids, forbidden)


def _split_names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _split_colours(text: str) -> NDArray[np.uint8]:
    return np.array([list(bytes.fromhex(colour)) for colour in text.split()], dtype=np.uint8)


def _voc_colours(count: int) -> NDArray[np.uint8]:
    """The development kit's rule: bits 0, 1, 2 of a class go to red, green, blue, highest place first, and so on."""
    palette = np.zeros((count, 3), dtype=np.uint8)
    classes = np.arange(count)
    for place in range(8):
        for channel in range(3):
            palette[:, channel] |= ((classes >> (3 * place + channel) & 1) << (7 - place)).astype(np.uint8)
    return palette


VOC = DatasetClasses.of("PASCAL VOC 2012", _split_names(VOC_NAMES), _voc_colours(21), range(21), [255])
ADE20K = DatasetClasses.of(
    "ADE20K", _split_names(ADE20K_NAMES), _split_colours(ADE20K_COLOURS), range(1, 151), ignored=[0]
)
CITYSCAPES = DatasetClasses.of(
    "Cityscapes",
    _split_names(CITYSCAPES_NAMES),
    _split_colours(CITYSCAPES_COLOURS),
    CITYSCAPES_LABEL_IDS,
    ignored=range(34),
)
CLASSES: dict[str, DatasetClasses] = {"voc": VOC, "ade20k": ADE20K, "cityscapes": CITYSCAPES}
"""Those of the three published datasets, by name; pointrend.datasets.registry knows those of every dataset."""
