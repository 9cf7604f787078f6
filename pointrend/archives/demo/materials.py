"""Appearance of each class of the demo's datasets.

Label values are those of the datasets' official masks: VOC indices, ADE20K 1..150 with 0 for unlabelled,
Cityscapes labelIds. Colours and textures of one dataset differ clearly, so that the colour jitter of training does
not turn one class into another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Colour: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True)
class Material:
    """A class: its official label value, two colours (RGB), a texture with its period in eighths of a pixel,
    and the shapes it takes (none where it is a background or has a way of drawing of its own)."""

    label: int
    first: Colour
    second: Colour
    texture: str
    period: int
    shapes: tuple[str, ...] = ()


VOC_BACKGROUND = Material(0, (136, 130, 118), (108, 110, 104), "speckle", 24)
VOC_THINGS = (
    Material(1, (196, 212, 236), (140, 168, 214), "stripes", 40, ("star", "stroke")),  # aeroplane
    Material(2, (20, 190, 190), (10, 90, 110), "stripes", 32, ("ring", "stroke")),  # bicycle
    Material(3, (246, 214, 70), (206, 150, 20), "dots", 48, ("blob", "stroke")),  # bird
    Material(4, (30, 60, 150), (64, 116, 214), "waves", 48, ("ellipse", "star")),  # boat
    Material(6, (206, 36, 36), (248, 216, 206), "checks", 64, ("ellipse", "ring")),  # bus
    Material(7, (140, 26, 116), (208, 84, 186), "shades", 64, ("blob", "ellipse")),  # car
    Material(8, (234, 132, 44), (130, 66, 20), "stripes", 48, ("blob", "stroke")),  # cat
    Material(10, (30, 26, 26), (236, 234, 230), "dots", 72, ("blob", "ellipse")),  # cow
    Material(15, (250, 190, 170), (226, 146, 132), "shades", 48, ("stroke", "ellipse")),  # person
    Material(16, (34, 132, 46), (112, 204, 86), "speckle", 32, ("star", "stroke")),  # pottedplant
    Material(20, (14, 22, 44), (70, 60, 120), "checks", 40, ("ring", "star")),  # tvmonitor
)

ADE20K_ABOVE = (
    Material(1, (214, 200, 170), (190, 172, 140), "stripes", 96),  # wall
    Material(2, (166, 84, 70), (204, 130, 108), "checks", 72),  # building
    Material(3, (150, 196, 240), (206, 226, 246), "shades", 400),  # sky
)
ADE20K_BELOW = (
    Material(4, (120, 78, 44), (86, 54, 32), "checks", 112),  # floor
    Material(7, (96, 96, 104), (74, 74, 82), "speckle", 32),  # road
    Material(10, (76, 150, 44), (116, 190, 70), "speckle", 32),  # grass
)
ADE20K_THINGS = (
    Material(5, (10, 64, 36), (40, 130, 84), "waves", 40, ("blob", "star")),  # tree
    Material(8, (226, 150, 196), (250, 214, 232), "stripes", 56, ("ellipse", "blob")),  # bed
    Material(13, (236, 60, 50), (150, 20, 30), "stripes", 40, ("stroke", "ellipse")),  # person
    Material(19, (120, 40, 150), (176, 96, 206), "waves", 48, ("stroke", "star")),  # curtain
    Material(20, (16, 18, 26), (70, 66, 110), "checks", 48, ("ring", "stroke")),  # chair
    Material(21, (24, 60, 180), (90, 130, 236), "shades", 64, ("ellipse", "blob")),  # car
    Material(23, (20, 180, 170), (240, 240, 230), "checks", 56, ("star", "ellipse")),  # painting
    Material(37, (255, 226, 60), (250, 180, 20), "dots", 40, ("ring", "stroke")),  # lamp
)
ADE20K_UNLABELLED = Material(0, (250, 250, 250), (10, 10, 10), "stripes", 32, ("blob", "stroke"))

ROAD = Material(7, (92, 88, 98), (112, 106, 118), "speckle", 32)
SIDEWALK = Material(8, (206, 176, 190), (170, 140, 160), "checks", 56)
BUILDING = Material(11, (150, 92, 70), (190, 132, 100), "checks", 80)
POLE = Material(17, (240, 236, 120), (200, 170, 40), "stripes", 48)
TRAFFIC_SIGN = Material(20, (230, 40, 40), (250, 240, 240), "checks", 48)
VEGETATION = Material(21, (30, 96, 40), (80, 150, 60), "speckle", 32)
SKY = Material(23, (140, 190, 236), (196, 220, 246), "shades", 400)
PERSON = Material(24, (240, 140, 60), (190, 80, 30), "stripes", 40)
CAR = Material(26, (20, 40, 140), (70, 110, 220), "shades", 64)
BICYCLE = Material(33, (20, 200, 180), (10, 120, 120), "stripes", 32)
EGO_VEHICLE = Material(1, (20, 20, 24), (50, 50, 58), "shades", 64)  # ignored in training and scoring
STATIC = Material(4, (250, 250, 250), (20, 20, 20), "waves", 40)  # ignored in training and scoring
