"""What is printed for readers: tables of text, and the width of a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 80  # columns of a terminal
NOTHING = "–"  # a value that does not exist


def table(rows: Iterable[Sequence[object]], sides: str = "<>") -> str:
    """The rows, of which the first one is the head, in columns with two blanks between them.

    ``sides`` has ``<`` or ``>`` for each column, by the side of its text; the last one is that of all further columns.
    Words in the last column (``<``) are wrapped at :data:`WIDTH`.
    """
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    sides = sides.ljust(len(widths), sides[-1])
    indent = " " * min(sum(widths[:-1]) + 2 * len(widths[1:]), WIDTH - 20)
    places = [f"{{:{side}{width}}}" for side, width in zip(sides, widths, strict=True)]
    lines: Iterable[str] = ("  ".join(places).format(*row) for row in cells)
    if sides[-1] == "<":
        # Options and paths stay whole.
        wrapper = textwrap.TextWrapper(WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)
        lines = map(wrapper.fill, lines)
    return "\n".join(lines)
