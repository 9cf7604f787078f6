"""Shapes and textures of the demo's images, in integer arithmetic and from integer draws alone.

No floating point number and no library's line drawing takes part, so the same calls give the same pixels on
every machine. Lengths and positions are in eighths of a pixel (:data:`SUBPIXEL`), angles in 1/256 of a turn,
and a mask is a bool array (H, W) over the canvas.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Mask: TypeAlias = NDArray[np.bool_]
Integers: TypeAlias = NDArray[np.int64]
Point: TypeAlias = tuple[int, int]
Item = TypeVar("Item")

SUBPIXEL = 8  # units in one pixel
TURN = 256  # units in a full turn
ONE = 1024  # the number that represents 1 in sines, tones and blob fields
_STROKE_STEPS = 64


@dataclass(frozen=True)
class Canvas:
    """Pixel centres of an H x W image: ``x`` and ``y`` are int64 (H, W) in eighths of a pixel."""

    x: Integers
    y: Integers

    @property
    def height(self) -> int:
        """Height in eighths of a pixel."""
        return self.x.shape[0] * SUBPIXEL

    @property
    def width(self) -> int:
        """Width in eighths of a pixel."""
        return self.x.shape[1] * SUBPIXEL

    @property
    def everywhere(self) -> Mask:
        """The mask of the whole canvas."""
        return np.ones(self.x.shape, dtype=bool)

    @classmethod
    def of_size(cls, height: int, width: int) -> Canvas:
        """The canvas of an image of ``height`` x ``width`` pixels."""
        y, x = np.mgrid[0:height, 0:width].astype(np.int64) * SUBPIXEL + SUBPIXEL // 2
        return cls(x, y)

    def turned(self, centre: Point, turn: int) -> tuple[Integers, Integers]:
        """Coordinates (u, v) along axes through ``centre`` that are rotated by ``turn``."""
        dx, dy = self.x - centre[0], self.y - centre[1]
        c, s = int(cosine(turn)), int(sine(turn))
        return (dx * c + dy * s) // ONE, (dy * c - dx * s) // ONE


def sine(turn: int | Integers) -> Integers:
    """Sine of ``turn``/256 of a full turn, times 1024, by Bhaskara's rational approximation (within 2)."""
    angle = np.asarray(turn, dtype=np.int64) % TURN
    half = TURN // 2
    product = (angle % half) * (half - angle % half)
    size = ONE * 16 * product // (5 * half * half - 4 * product)
    return np.where(angle < half, size, -size)


def cosine(turn: int | Integers) -> Integers:
    """Cosine of ``turn``/256 of a full turn, times 1024."""
    return sine(np.asarray(turn, dtype=np.int64) + TURN // 4)


def ellipse(canvas: Canvas, centre: Point, radii: Point, turn: int = 0) -> Mask:
    """A filled ellipse with half axes ``radii``, rotated by ``turn``."""
    u, v = canvas.turned(centre, turn)
    a, b = radii
    return (u * b) ** 2 + (v * a) ** 2 <= (a * b) ** 2


def ring(canvas: Canvas, centre: Point, radii: Point, thickness: int, turn: int = 0) -> Mask:
    """An elliptic ring: half axes ``radii``, ``thickness`` measured inwards from there."""
    inner = max(radii[0] - thickness, 1), max(radii[1] - thickness, 1)
    return ellipse(canvas, centre, radii, turn) & ~ellipse(canvas, centre, inner, turn)


def polygon(canvas: Canvas, corners: Sequence[Point]) -> Mask:
    """A filled polygon, by the even-odd rule."""
    inside = np.zeros(canvas.x.shape, dtype=bool)
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        dx, dy = x1 - x0, y1 - y0
        left_of_edge = (canvas.x - x0) * dy < (canvas.y - y0) * dx
        crosses = (y0 <= canvas.y) != (y1 <= canvas.y)
        inside ^= crosses & (left_of_edge if dy > 0 else ~left_of_edge)
    return inside


def star(canvas: Canvas, centre: Point, radius: int, points: int, turn: int = 0) -> Mask:
    """A star with ``points`` points whose notches reach half way to the centre."""
    corners = []
    for corner in range(2 * points):
        angle = turn + TURN * corner // (2 * points)
        reach = radius if corner % 2 == 0 else radius // 2
        dx, dy = reach * int(cosine(angle)) // ONE, reach * int(sine(angle)) // ONE
        corners.append((centre[0] + dx, centre[1] + dy))
    return polygon(canvas, corners)


def blob(canvas: Canvas, drops: Iterable[tuple[Point, int]]) -> Mask:
    """Drops (centre, radius) that flow together: the set where the sum of radius^2 / distance^2 reaches 1."""
    field = np.zeros(canvas.x.shape, dtype=np.int64)
    for (x, y), radius in drops:
        field += ONE * radius * radius // ((canvas.x - x) ** 2 + (canvas.y - y) ** 2 + 1)
    return field >= ONE


def stroke(canvas: Canvas, points: tuple[Point, Point, Point, Point], radius: int, end_radius: int) -> Mask:
    """A round brush moved along a cubic Bezier curve, its radius going from ``radius`` to ``end_radius``."""
    drawn = np.zeros(canvas.x.shape, dtype=bool)
    n = _STROKE_STEPS
    for step in range(n + 1):
        rest = n - step
        weights = rest**3, 3 * step * rest**2, 3 * step**2 * rest, step**3
        x, y = (sum(w * p[axis] for w, p in zip(weights, points, strict=True)) // n**3 for axis in (0, 1))
        brush = (radius * rest + end_radius * step) // n
        near = _span(y, brush), _span(x, brush)
        drawn[near] |= (canvas.x[near] - x) ** 2 + (canvas.y[near] - y) ** 2 <= brush**2
    return drawn


def below_wave(canvas: Canvas, level: int, amplitude: int, length: int, phase: int) -> Mask:
    """Everything below a horizontal sine wave around height ``level``."""
    return canvas.y > level + amplitude * sine(canvas.x * TURN // length + phase) // ONE


def texture(kind: str, canvas: Canvas, period: int, turn: int, rng: np.random.Generator) -> Integers:
    """Tones 0 (first colour) to 1024 (second colour) of a texture, int64 (H, W).

    ``kind`` is ``stripes``, ``waves`` (bent stripes), ``checks``, ``dots``, ``shades`` (a ramp to and fro) or
    ``speckle`` (random grains of one and two pixels); ``period`` is its length of repetition.
    """
    origin = int(rng.integers(0, period)), int(rng.integers(0, period))
    u, v = canvas.turned(origin, turn)
    if kind == "waves":
        u = u + period * sine(v * TURN // (3 * period)) // (2 * ONE)
    if kind in ("stripes", "waves"):
        return ONE * _second_half(u, period)
    if kind == "checks":
        return ONE * (_second_half(u, period) ^ _second_half(v, period))
    if kind == "dots":
        from_centre = (u % period - period // 2) ** 2 + (v % period - period // 2) ** 2
        return ONE * (from_centre * 9 <= period**2).astype(np.int64)
    if kind == "shades":
        return np.abs((u % (2 * period)) - period) * ONE // period
    if kind == "speckle":
        return ONE * _grains(canvas.x.shape, rng)
    raise ValueError(f"no texture named {kind!r}")


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
        return ellipse(canvas, centre, (size * 5 // 4, size * 3 // 4), turn)
    if shape == "ring":
        return ring(canvas, centre, (size * 5 // 4, size), size * 2 // 5, turn)
    if shape == "star":
        return star(canvas, centre, size * 4 // 3, integer(rng, 4, 7), turn)
    if shape == "blob":
        return cluster(canvas, centre, size * 2 // 3, rng)
    if shape == "stroke":
        return tendril(canvas, centre, rng)
    raise ValueError(f"no shape named {shape!r}")


def cluster(canvas: Canvas, centre: Point, size: int, rng: np.random.Generator) -> Mask:
    """Four drops around ``centre`` that flow together where they are near each other."""
    reach = size * 3 // 2
    drops = []
    for _ in range(4):
        x, y = centre[0] + integer(rng, -reach, reach), centre[1] + integer(rng, -reach, reach)
        drops.append(((x, y), size * integer(rng, 40, 75) // 100))
    return blob(canvas, drops)


def tendril(canvas: Canvas, start: Point, rng: np.random.Generator) -> Mask:
    """A thin curved stroke from ``start``, four to ten pixels wide in an image of 128 rows."""
    reach = canvas.height // 2
    first, second, end = (
        (start[0] + integer(rng, -reach, reach), start[1] + integer(rng, -reach, reach)) for _ in range(3)
    )
    radius, end_radius = (canvas.height * integer(rng, 16, 42) // 1000 for _ in range(2))
    return stroke(canvas, (start, first, second, end), radius, end_radius)


def _span(middle: int, reach: int) -> slice:
    """The pixels of an axis that lie within ``reach`` of ``middle``."""
    return slice(max((middle - reach) // SUBPIXEL, 0), max((middle + reach) // SUBPIXEL + 1, 0))


def _grains(shape: tuple[int, ...], rng: np.random.Generator) -> Integers:
    height, width = shape
    coarse = rng.integers(0, 2, size=((height + 1) // 2, (width + 1) // 2))
    return coarse.repeat(2, axis=0).repeat(2, axis=1)[:height, :width] | rng.integers(0, 2, size=shape)


def _second_half(along: Integers, period: int) -> Integers:
    return (along % period * 2 // period).astype(np.int64)
