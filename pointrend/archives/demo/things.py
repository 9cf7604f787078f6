"""Shapes at random places and of random sizes, from integer draws alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from pointrend.archives.demo import drawing
from pointrend.archives.demo.drawing import TURN, Canvas, Mask, Point

Item = TypeVar("Item")


def integer(rng: np.random.Generator, low: int, high: int) -> int:
    """A random integer from ``low`` to ``high``, both included."""
    return int(rng.integers(low, high + 1))


def shuffled(items: Sequence[Item], rng: np.random.Generator) -> list[Item]:
    """Fisher-Yates with integer draws (``Generator.shuffle`` promises nothing about the draws it makes)."""
    deck = list(items)
    for last in range(len(deck) - 1, 0, -1):
        other = integer(rng, 0, last)
        deck[last], deck[other] = deck[other], deck[last]
    return deck


def place(canvas: Canvas, rng: np.random.Generator) -> Point:
    """A point in the inner nine tenths of the canvas."""
    x = integer(rng, canvas.width // 20, canvas.width * 19 // 20)
    return x, integer(rng, canvas.height // 20, canvas.height * 19 // 20)


def thing(canvas: Canvas, shape: str, rng: np.random.Generator) -> Mask:
    """An ``ellipse``, ``ring``, ``star``, ``blob`` or ``stroke`` somewhere on the canvas."""
    centre, turn = place(canvas, rng), integer(rng, 0, TURN - 1)
    size = canvas.height * integer(rng, 15, 24) // 100
    if shape == "ellipse":
        return drawing.ellipse(canvas, centre, (size * 5 // 4, size * 3 // 4), turn)
    if shape == "ring":
        return drawing.ring(canvas, centre, (size * 5 // 4, size), size * 2 // 5, turn)
    if shape == "star":
        return drawing.star(canvas, centre, size * 4 // 3, integer(rng, 4, 7), turn)
    if shape == "blob":
        return blob(canvas, centre, size * 2 // 3, rng)
    if shape == "stroke":
        return tendril(canvas, centre, rng)
    raise ValueError(f"no shape named {shape!r}")


def blob(canvas: Canvas, centre: Point, size: int, rng: np.random.Generator) -> Mask:
    """Four drops around ``centre`` that flow together where they are near each other."""
    reach = size * 3 // 2
    drops = []
    for _ in range(4):
        x, y = centre[0] + integer(rng, -reach, reach), centre[1] + integer(rng, -reach, reach)
        drops.append(((x, y), size * integer(rng, 40, 75) // 100))
    return drawing.blob(canvas, drops)


def tendril(canvas: Canvas, start: Point, rng: np.random.Generator) -> Mask:
    """A thin curved stroke from ``start``, four to ten pixels wide in an image of 128 rows."""
    reach = canvas.height // 2
    first, second, end = (
        (start[0] + integer(rng, -reach, reach), start[1] + integer(rng, -reach, reach)) for _ in range(3)
    )
    radius, end_radius = (canvas.height * integer(rng, 16, 42) // 1000 for _ in range(2))
    return drawing.stroke(canvas, (start, first, second, end), radius, end_radius)
