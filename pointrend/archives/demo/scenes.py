"""The demo's images: synthetic scenes of textured, overlapping, thin and curved things.

Every class has colours and a texture of its own, so that a thin network can learn it from some hundred
images, and outlines that a stride-4 map cannot follow, so that point refinement has something to refine.
A scene follows from (dataset, split, index, size) alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointrend.archives.demo import drawing, materials
from pointrend.archives.demo.drawing import ONE, SUBPIXEL, TURN, Canvas, Mask, integer, shuffled, thing
from pointrend.archives.demo.materials import Material
from pointrend.archives.demo.streets import street

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


def _paint(canvas: Canvas, layers: Iterator[tuple[Material, Mask]], rng: np.random.Generator) -> Scene:
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


def _voc(canvas: Canvas, rng: np.random.Generator) -> Iterator[tuple[Material, Mask]]:
    """Things scattered over one background."""
    yield materials.VOC_BACKGROUND, canvas.everywhere
    for material in shuffled(materials.VOC_THINGS, rng)[: integer(rng, 7, 10)]:
        yield material, _one_of(material, canvas, rng)


def _ade20k(canvas: Canvas, rng: np.random.Generator) -> Iterator[tuple[Material, Mask]]:
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
    return thing(canvas, material.shapes[integer(rng, 0, len(material.shapes) - 1)], rng)


_COMPOSERS: dict[str, Callable[[Canvas, np.random.Generator], Iterator[tuple[Material, Mask]]]] = {
    "voc": _voc,
    "ade20k": _ade20k,
    "cityscapes": street,
}
