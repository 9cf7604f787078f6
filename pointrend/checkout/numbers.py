"""Records of ``pointrend check``: where they are, and whether one is of this machine and this code."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pointrend.checkout.code_digest import code_digest
from pointrend.checkout.machine import CUBLAS
from pointrend.errors import PointrendError
from pointrend.files import read_json

KEYS = ("checked", "machines", "code", "met")
AS_OFTEN = ("cores", "threads")  # keys of a machine's record in which it may differ: they change the order of sums


def check_file(root: Path) -> Path:
    """The record of this machine in the checkout at ``root``; one per host, since nodes may share the folder."""
    return root / "logs" / "checks" / f"{socket.gethostname()}.json"


def checked_code() -> dict[str, str]:
    """Digests of the code whose numbers are checked."""
    return {stage: code_digest(stage, "voc") for stage in ("train", "evaluate")}


def numbers_checked(root: Path, machine: Mapping[str, Any]) -> str | None:
    """When the numbers of this code were last checked, and met, on such a machine; None if never.

    ``machine`` is a :func:`~pointrend.checkout.machine.machine_record`: another host with the same device, processor
    and versions counts, because Slurm chooses the node.
    """
    times = []
    for path in check_file(root).parent.glob("*.json"):
        try:
            record = read_json(
                path, PointrendError, "run: pointrend check", keys=("code", "machines", "checked", "met")
            )
        except PointrendError:
            continue  # the next check writes it again
        like = any(_kind(found) == _kind(machine) for found in record["machines"])
        if like and record["met"] and record["code"] == checked_code():
            times.append(record["checked"])
    return max(times, default=None)


def _kind(machine: Mapping[str, Any]) -> dict[str, Any]:
    kind = {key: value for key, value in machine.items() if key not in AS_OFTEN}
    # What the key `deterministic` sets only fixes the order of sums.
    sets = {key: value for key, value in kind["instruction_sets"].items() if key != CUBLAS}
    return kind | {"instruction_sets": sets}
