"""The golden numbers on every device of this machine and in every precision: rows of a table, and a record."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch

from pointrend.check.families import EXACT, FAMILIES, Place
from pointrend.checkout.machine import machine_record
from pointrend.checkout.numbers import checked_code
from pointrend.model.pointrend import allow_tf32

CPU = torch.device("cpu")
HEAD = f"{'family':<14}{'device':<9}{'precision':<11}{'worst difference':>17}{'tolerance':>12}  met"


@dataclass(frozen=True)
class Row:
    """A family on one device in one precision: the difference that is largest beside what is allowed."""

    family: str
    device: str
    precision: str
    what: str
    difference: float
    tolerance: float
    met: bool

    def line(self) -> str:
        """The row of the table, under :data:`HEAD`."""
        numbers = f"{self.difference:>17.1e}{self.tolerance:>12.1e}"
        return f"{self.family:<14}{self.device:<9}{self.precision:<11}{numbers}  {'yes' if self.met else 'NO'}"

    def problem(self) -> str:
        """What is not met, for one line below the table."""
        where = f"{self.family}, {self.device}, {self.precision}"
        return f"not met: {where}: {self.what} differs by {self.difference:.3g}, tolerance {self.tolerance:.3g}"


def devices() -> list[torch.device]:
    """The CPU and every CUDA device."""
    return [CPU, *(torch.device("cuda", index) for index in range(torch.cuda.device_count()))]


def places() -> Iterator[Place]:
    """Every device in every precision that it has; TF32 exists on GPUs alone."""
    for device in devices():
        for precision in ("float32", "bf16") if device == CPU else ("float32", "tf32", "bf16"):
            yield Place(device, precision)


def rows(place: Place, families: Iterable[str] = tuple(FAMILIES)) -> Iterator[Row]:
    """The rows of one place; what is the same in every precision is compared in float32, the metric on the CPU."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    allow_tf32(place.precision == "tf32")
    try:
        for family in families:
            if (place.precision != "float32" and family in EXACT) or (place.device != CPU and family == "metric"):
                continue
            differences = list(FAMILIES[family](place))
            worst = max(differences, key=lambda each: each.ratio)
            numbers = float(worst.found), float(worst.allowed), all(each.met for each in differences)
            yield Row(family, str(place.device), place.precision, worst.what, *numbers)
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def record(compared: Iterable[Row]) -> dict[str, Any]:
    """What the check leaves: time, devices with versions, code, rows, and whether float32 is met everywhere."""
    compared = list(compared)
    return {
        "checked": time.strftime("%Y-%m-%d %H:%M:%S"),
        "machines": [machine_record(device) for device in devices()],
        "code": checked_code(),
        "met": all(row.met for row in compared if row.precision == "float32"),
        "rows": [asdict(row) | {"difference": finite(row.difference)} for row in compared],
    }


def finite(value: float) -> float | None:
    """The value, or None where JSON has no number for it."""
    return value if math.isfinite(value) else None
