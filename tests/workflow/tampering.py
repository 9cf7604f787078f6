"""Ways to change what records and results say, one value each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def each_leaf(values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Copies with one value changed each."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from ({**values, key: changed} for changed in each_leaf(value))
        else:
            yield {**values, key: value + 1 if isinstance(value, int) else "0" * 64}


def other_miou(row: dict[str, Any]) -> None:
    row["miou"] += 1


def other_verdict(row: dict[str, Any]) -> None:
    row |= {"verdict": "reproduced", "difference": 0.0}


def other_published(row: dict[str, Any]) -> None:
    row["published_miou"] = 1.0


def other_sigma(row: dict[str, Any]) -> None:
    row |= {"verdict": "consistent", "sigma": 99.0}


def other_interval(row: dict[str, Any]) -> None:
    row["image_interval"][0] -= 0.01


def other_measure(row: dict[str, Any]) -> None:
    row["measures"]["coarse"]["miou"] += 1


def other_archive(row: dict[str, Any]) -> None:
    row["provenance"]["archives"]["benchmark.tgz"] = "0" * 64


def other_machine(row: dict[str, Any]) -> None:
    row["provenance"]["scoring"]["machine"]["torch"] = "1.0"


def another_model(row: dict[str, Any]) -> None:
    row["hashes"]["model.safetensors"] = "0" * 64
