"""What the published training logs say of the losses, to be drawn under ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pointrend.errors import CheckFailed
from pointrend.results.audit.curves import LEAST_RECORDS, Curve, band
from pointrend.results.chain import folder_name
from pointrend.results.page.carried import Carried, published_curve
from pointrend.results.page.curves import Reference


def references(results: Mapping[str, Any], carried: Carried) -> dict[str, Reference]:
    """The published loss of every training whose log was audited, by the name of the training's folder.

    Raises:
        CheckFailed: a curve.json is no curve.
    """
    found = ((row, published_curve(row)) for row in results["runs"] if row["kind"] == "trained")
    return {folder_name(row): reference(name, carried[name]) for row, name in found if name in carried}


def reference(name: str, content: bytes) -> Reference:
    """The total loss in a curve.json and its band, which a curve of few records has not; ``name`` is for errors."""
    try:
        curve = Curve(**json.loads(content))
        points = tuple(zip(curve.iterations, curve.losses["loss"], strict=True))
    except (KeyError, TypeError, ValueError) as problem:
        raise CheckFailed(f"{name} is no curve: {problem}", "run `pointrend audit RUN --record` again") from problem
    if len(points) < LEAST_RECORDS:
        return Reference(points)
    low, high = (ends.tolist() for ends in band(curve.losses["loss"]))
    return Reference(points, tuple(zip(curve.iterations, low, high, strict=True)))
