"""What every plot is made of: a scale, round numbers along it, and SVG that describes what it shows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Scale:
    """Maps values from ``low`` to ``high`` onto pixels from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, about: int) -> list[float]:
        """About this many round numbers within the scale."""
        step = _round_step((self.high - self.low) / about)
        first = math.ceil(self.low / step - 1e-9)
        return [step * i for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def enclosing(values: Iterable[float], start: float, end: float, about: int) -> Scale:
    """A scale that begins and ends at round numbers and has room for all ``values``."""
    values = list(values)
    low, high = min(values), max(values)
    step = _round_step(max(high - low, 1e-9) / about)
    low, high = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Scale(step * low, step * max(high, low + 1), start, end)


def number(value: float) -> str:
    """A coordinate: at most two decimals, and no needless digits."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) >= 0.005 else "0"


def element(name: str, attributes: Mapping[str, str | float | None], *content: str) -> Markup:
    """An element; text in ``content`` is escaped, numbers have at most two decimals, None leaves an attribute out."""
    written = Markup("").join(
        Markup(' {}="{}"').format(key, value if isinstance(value, str) else number(value))
        for key, value in attributes.items()
        if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(name, written, together(content))


def together(parts: Iterable[str]) -> Markup:
    """Parts of a drawing; what is not markup is escaped."""
    return Markup("").join(parts)


def tick_text(value: float) -> str:
    """A round number as an axis shows it: 40000 is 40k."""
    thousands = abs(value) >= 10_000
    return f"{value / 1000 if thousands else value:z.6g}".replace("-", "−") + ("k" if thousands else "")


def svg(size: tuple[float, float], name: str, title: str, description: str, *content: str) -> Markup:
    """A drawing with a name and a description for those who do not see it; ``name`` is unique in the page."""
    width, height = size
    attributes = {
        "viewBox": f"0 0 {number(width)} {number(height)}",
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-desc",
        "class": "plot",
    }
    told = {"title": title, "desc": description}
    named = (element(tag, {"id": f"{name}-{tag}"}, words) for tag, words in told.items())
    return element("svg", attributes, *named, *content)


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    """A straight line of a CSS class."""
    return element("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": style})


def label(x: float, y: float, words: str, style: str = "", anchor: str | None = None) -> Markup:
    """Text at a point; ``anchor``: the part of it that is at the point, by default the start."""
    return element("text", {"x": x, "y": y, "class": style or None, "text-anchor": anchor}, words)


def path(points: Sequence[tuple[float, float]], style: str) -> Markup:
    """A line through points."""
    return element("polyline", {"points": _joined(points), "class": style})


def area(points: Sequence[tuple[float, float]], style: str) -> Markup:
    """A filled outline."""
    return element("polygon", {"points": _joined(points), "class": style})


def diamond(x: float, y: float, radius: float, style: str) -> Markup:
    """A square on a corner."""
    return area([(x - radius, y), (x, y - radius), (x + radius, y), (x, y + radius)], style)


def circle(x: float, y: float, radius: float, style: str) -> Markup:
    """A circle."""
    return element("circle", {"cx": x, "cy": y, "r": radius, "class": style})


def bar(x: float, y: float, width: float, height: float, style: str) -> Markup:
    """A rectangle."""
    return element("rect", {"x": x, "y": y, "width": width, "height": height, "class": style})


def _joined(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{number(x)},{number(y)}" for x, y in points)


def _round_step(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not below ``least``."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))
