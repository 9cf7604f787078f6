"""Arguments of more than one verb."""

from __future__ import annotations

import argparse

from pointrend.params import MOST_SEED


def seed_number(text: str) -> int:
    """A seed as it is typed; for ``type=`` of an argument."""
    if not text.isdecimal() or int(text) > MOST_SEED:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to {MOST_SEED}")
    return int(text)
