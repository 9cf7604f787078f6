"""The demo's Cityscapes: streets with houses, trees, traffic, and thin poles."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pointrend.archives.demo import drawing, materials
from pointrend.archives.demo.drawing import TURN, Canvas, Mask, Point, cluster, integer, place
from pointrend.archives.demo.materials import Material

Layers = Iterator[tuple[Material, Mask]]


def street(canvas: Canvas, rng: np.random.Generator) -> Layers:
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
        yield materials.STATIC, cluster(canvas, place(canvas, rng), canvas.height // 12, rng)
    bonnet = canvas.width * 2 // 5, canvas.height // 14
    yield materials.EGO_VEHICLE, drawing.ellipse(canvas, (canvas.width // 2, canvas.height), bonnet)


def _background(canvas: Canvas, horizon: int, rng: np.random.Generator) -> Layers:
    yield materials.SKY, canvas.everywhere
    for _ in range(integer(rng, 3, 4)):
        yield materials.BUILDING, _house(canvas, horizon + canvas.height // 8, rng)
    for _ in range(integer(rng, 2, 3)):
        crown = integer(rng, 0, canvas.width), horizon - canvas.height * integer(rng, 0, 20) // 100
        yield materials.VEGETATION, cluster(canvas, crown, canvas.height // 9, rng)
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
