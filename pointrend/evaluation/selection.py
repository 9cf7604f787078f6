"""Which pictures of a split are drawn: the best, the median and the worst one, and the first few."""

from __future__ import annotations

import math
from collections.abc import Sequence

BEST, MEDIAN, WORST, FIRST = "best", "median", "worst", "first"


def chosen_pictures(mious: Sequence[float], first: int) -> dict[int, tuple[str, ...]]:
    """What the pictures to be drawn stand for, by index and in the order in which they are shown.

    ``mious`` are the pictures' own scores, NaN where nothing is labelled; such a picture has no rank. Of equally good
    pictures the one with the lowest index is the best, and likewise the worst. The median of an even number is the
    lower of the two in the middle. One picture may stand for several things.
    """
    ranked = sorted((index for index, miou in enumerate(mious) if not math.isnan(miou)), key=lambda i: (mious[i], i))
    shown: dict[int, tuple[str, ...]] = {}
    if ranked:
        best = min(ranked, key=lambda i: (-mious[i], i))
        for word, index in ((BEST, best), (MEDIAN, ranked[(len(ranked) - 1) // 2]), (WORST, ranked[0])):
            shown[index] = (*shown.get(index, ()), word)
    for index in range(min(first, len(mious))):
        shown[index] = (*shown.get(index, ()), FIRST)
    return shown
