"""The demo's images: synthetic scenes of textured, overlapping, thin and curved things.

Every class has colours and a texture of its own, so that a thin network can learn it from some hundred
images, and outlines that a stride-4 map cannot follow, so that point refinement has something to refine.
A scene follows from (dataset, split, index, size) alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointrend.archives.demo import drawing, materials
from pointrend.archives.demo.drawing import ONE, SUBPIXEL, TURN, Canvas, Mask, Point, integer, shuffled
from pointrend.archives.demo.materials import Material

Layers = Iterator[tuple[Material, Mask]]

SPLITS = ("train", "val", "test")

# In grey levels:
_TINT = 14  # how far a thing's colour differs from its material's, per channel
_NOISE = 10  # largest noise of a pixel
_LIGHT = 24  # largest change of brightness from edge to edge


@dataclass(frozen=True)
class Scene:
    """A drawn scene.

    ``picture`` is uint8 BGR (H, W, 3); ``label`` is uint8 (H, W) in the values of the dataset's official masks;
    ``layer`` is uint8 (H, W), the number of the layer that is seen there: it changes at every outline.
    """

    picture: NDArray[np.uint8]
    label: NDArray[np.uint8]
    layer: NDArray[np.uint8]


def draw_scene(dataset: str, split: str, index: int, height: int, width: int) -> Scene:
    """Draw scene ``index`` of a split, one of :data:`SPLITS`, of ``voc``, ``ade20k`` or ``cityscapes``."""
    seed = [list(_COMPOSERS).index(dataset), SPLITS.index(split), index]
    rng = np.random.Generator(np.random.PCG64(seed))
    canvas = Canvas.of_size(height, width)
    return _paint(canvas, _COMPOSERS[dataset](canvas, rng), rng)


def outlines(layer: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels (H, W) whose right or lower neighbour shows another layer: a border one pixel wide.

    The official VOC masks have borders of five pixels at 500 x 375, which is about this in a demo image.
    """
    border = np.zeros(layer.shape, dtype=bool)
    border[:, :-1] |= layer[:, :-1] != layer[:, 1:]
    border[:-1] |= layer[:-1] != layer[1:]
    return border


def _paint(canvas: Canvas, layers: Layers, rng: np.random.Generator) -> Scene:
    shape = canvas.x.shape
    picture = np.zeros((*shape, 3), dtype=np.int64)
    label, seen = np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.uint8)
    for number, (material, mask) in enumerate(layers):
        picture[mask] = _surface(material, canvas, mask, rng)
        label[mask] = material.label
        seen[mask] = number
    picture += _light(canvas, rng) + rng.integers(-_NOISE, _NOISE + 1, size=picture.shape)
    return Scene(np.clip(picture, 0, 255).astype(np.uint8)[:, :, ::-1].copy(), label, seen)


def _surface(material: Material, canvas: Canvas, mask: Mask, rng: np.random.Generator) -> NDArray[np.int64]:
    """Colours, RGB (N, 3), of the mask's N pixels; tint, orientation and period vary from thing to thing."""
    period = material.period * integer(rng, 85, 115) // 100
    tones = drawing.texture(material.texture, canvas, period, integer(rng, 0, TURN - 1), rng)[mask]
    first, second = np.array(material.first, dtype=np.int64), np.array(material.second, dtype=np.int64)
    tint = rng.integers(-_TINT, _TINT + 1, size=3)
    return first + (second - first) * tones[:, np.newaxis] // ONE + tint


def _light(canvas: Canvas, rng: np.random.Generator) -> NDArray[np.int64]:
    """A slow change of brightness over the image, (H, W, 1)."""
    height, width = canvas.x.shape
    down, across = integer(rng, -_LIGHT, _LIGHT), integer(rng, -_LIGHT, _LIGHT)
    light = down * (canvas.y // SUBPIXEL) // height + across * (canvas.x // SUBPIXEL) // width
    return light[:, :, np.newaxis]


def _voc(canvas: Canvas, rng: np.random.Generator) -> Layers:
    """Things scattered over one background."""
    yield materials.VOC_BACKGROUND, canvas.everywhere
    for material in shuffled(materials.VOC_THINGS, rng)[: integer(rng, 7, 10)]:
        yield material, _one_of(material, canvas, rng)


def _ade20k(canvas: Canvas, rng: np.random.Generator) -> Layers:
    """Things before an upper and a lower background; in every third scene one of them is unlabelled."""
    yield shuffled(materials.ADE20K_ABOVE, rng)[0], canvas.everywhere
    level, phase = canvas.height * integer(rng, 45, 65) // 100, integer(rng, 0, TURN - 1)
    below = drawing.below_wave(canvas, level, canvas.height // 14, canvas.height, phase)
    yield shuffled(materials.ADE20K_BELOW, rng)[0], below
    things = shuffled(materials.ADE20K_THINGS, rng)[: integer(rng, 5, 7)]
    if integer(rng, 0, 2) == 0:
        things.insert(1, materials.ADE20K_UNLABELLED)
    for material in things:
        yield material, _one_of(material, canvas, rng)


def _one_of(material: Material, canvas: Canvas, rng: np.random.Generator) -> Mask:
    return drawing.thing(canvas, material.shapes[integer(rng, 0, len(material.shapes) - 1)], rng)


def _street(canvas: Canvas, rng: np.random.Generator) -> Layers:
    """Yield a street from back to front; the recording car's bonnet and some clutter carry ignored ids."""
    horizon = canvas.height * integer(rng, 50, 58) // 100
    yield from _background(canvas, horizon, rng)
    for material, draw, least, most in (
        (materials.CAR, _car, 2, 3),
        (materials.PERSON, _person, 2, 3),
        (materials.BICYCLE, _bicycle, 1, 2),
    ):
        for _ in range(integer(rng, least, most)):
            yield material, draw(canvas, rng)
    for _ in range(integer(rng, 2, 3)):
        yield from _pole_and_sign(canvas, rng)
    if integer(rng, 0, 3) == 0:
        yield materials.STATIC, drawing.cluster(canvas, drawing.place(canvas, rng), canvas.height // 12, rng)
    bonnet = canvas.width * 2 // 5, canvas.height // 14
    yield materials.EGO_VEHICLE, drawing.ellipse(canvas, (canvas.width // 2, canvas.height), bonnet)


def _background(canvas: Canvas, horizon: int, rng: np.random.Generator) -> Layers:
    yield materials.SKY, canvas.everywhere
    for _ in range(integer(rng, 3, 4)):
        yield materials.BUILDING, _house(canvas, horizon + canvas.height // 8, rng)
    for _ in range(integer(rng, 2, 3)):
        crown = integer(rng, 0, canvas.width), horizon - canvas.height * integer(rng, 0, 20) // 100
        yield materials.VEGETATION, drawing.cluster(canvas, crown, canvas.height // 9, rng)
    phase = integer(rng, 0, TURN - 1)
    yield materials.ROAD, drawing.below_wave(canvas, horizon, canvas.height // 40, canvas.width, phase)
    for side in (0, canvas.width):
        yield materials.SIDEWALK, _pavement(canvas, horizon, side, rng)


def _house(canvas: Canvas, foot: int, rng: np.random.Generator) -> Mask:
    left, wide = integer(rng, 0, canvas.width), canvas.height * integer(rng, 25, 60) // 100
    eaves = canvas.height * integer(rng, 8, 35) // 100
    right, ridge = left + wide, (left + wide // 2, eaves - canvas.height // 10)
    return drawing.polygon(canvas, [(left, foot), (left, eaves), ridge, (right, eaves), (right, foot)])


def _pavement(canvas: Canvas, horizon: int, side: int, rng: np.random.Generator) -> Mask:
    middle, height = canvas.width // 2, canvas.height
    far = middle + (side - middle) * integer(rng, 30, 80) // 100
    bends = (far, horizon), (far, horizon + height // 6), (side, height * 3 // 4), (side, height)
    return drawing.stroke(canvas, bends, height // 24, height // 6)


def _standing(canvas: Canvas, rng: np.random.Generator) -> Point:
    """A point on the ground."""
    return integer(rng, 0, canvas.width), canvas.height * integer(rng, 60, 88) // 100


def _car(canvas: Canvas, rng: np.random.Generator) -> Mask:
    x, y = _standing(canvas, rng)
    size = canvas.height * integer(rng, 9, 14) // 100
    body = drawing.ellipse(canvas, (x, y), (size * 2, size * 4 // 5))
    return body | drawing.ellipse(canvas, (x, y - size * 2 // 3), (size, size * 3 // 4))


def _person(canvas: Canvas, rng: np.random.Generator) -> Mask:
    x, y = _standing(canvas, rng)
    size, lean = canvas.height * integer(rng, 8, 12) // 100, canvas.height * integer(rng, -10, 10) // 100
    bends = (x, y), (x + lean, y - size), (x - lean, y - size * 2), (x, y - size * 3)
    return drawing.stroke(canvas, bends, canvas.height // 40, canvas.height // 18)


def _bicycle(canvas: Canvas, rng: np.random.Generator) -> Mask:
    x, y = _standing(canvas, rng)
    size = canvas.height * integer(rng, 9, 12) // 100
    front, back = (drawing.ring(canvas, (hub, y), (size, size), canvas.height // 28) for hub in (x, x + size * 2))
    bends = (x, y), (x + size // 2, y - size * 2), (x + size * 3 // 2, y - size * 2), (x + size * 2, y)
    return front | back | drawing.stroke(canvas, bends, canvas.height // 50, canvas.height // 50)


def _pole_and_sign(canvas: Canvas, rng: np.random.Generator) -> Layers:
    x, foot = _standing(canvas, rng)
    top = canvas.height * integer(rng, 10, 30) // 100
    head = x + canvas.height * integer(rng, -16, 16) // 100, top
    bends = (x, foot), (x, (foot + top) // 2), (x, top), head
    yield materials.POLE, drawing.stroke(canvas, bends, canvas.height // 45, canvas.height // 60)
    yield materials.TRAFFIC_SIGN, _sign(canvas, head, canvas.height * integer(rng, 6, 9) // 100, rng)


def _sign(canvas: Canvas, centre: Point, size: int, rng: np.random.Generator) -> Mask:
    if integer(rng, 0, 1) == 0:
        return drawing.ellipse(canvas, centre, (size, size))
    x, y = centre
    return drawing.polygon(canvas, [(x - size, y + size), (x, y - size), (x + size, y + size)])


_COMPOSERS = {"voc": _voc, "ade20k": _ade20k, "cityscapes": _street}
