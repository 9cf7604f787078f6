"""What the campaigns share: their command line, their tables, and what a disturbed checkout must be like afterwards."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pointrend.files import SEAL, sha256_file
from tests.trust.document import write_table
from tests.trust.ground import Ground

# keys in the records of a training whose values are times, or say which machine it was and how it was started
TIMES = {
    *("time", "seconds", "images_per_second", "data_wait_share", "memory_mb", "machine", "attempts"),
    *("curves", "train_sha256", SEAL),
}
HASH = "[0-9a-f]{64}"
PASSING = (".lock", ".log", ".digests.json")
MOST_SECONDS = 120


def markdown(*rows: Sequence[object]) -> str:
    """A Markdown table, its head first."""
    lines = [f"| {' | '.join(map(str, row))} |\n" for row in rows]
    return "".join([lines[0], f"|{'-|' * len(rows[0])}\n", *lines[1:]])


def campaign(name: str, run: Callable[[int, int], tuple[str, str, list[str]]]) -> None:
    """The command line of a campaign, described by the documentation of its module.

    ``run`` takes how much to try and a seed, and returns what to print, the table and the defects.
    """
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("count", type=int, help="how much to try")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    chosen = parser.parse_args()
    printed, table, defects = run(chosen.count, chosen.seed)
    print(printed, *defects, sep="\n")
    if chosen.write:
        write_table(name, table)
    sys.exit(1 if defects else 0)


def content(path: Path) -> Any:
    """What a file must hold again: its sha256, but for times, the machine, and hashes of files that name them."""
    text = path.read_text(encoding="utf-8") if path.suffix in (".json", ".jsonl", ".md", ".html") else ""
    if path.name in ("train.json", "evaluate.json"):
        return _without_times(json.loads(text))
    if path.name == "metrics.jsonl":
        return [_without_times(json.loads(line)) for line in text.splitlines()]
    if path.name == "results.json":
        hashes = rf'"(train.json|evaluate.json|metrics.jsonl|sha256|last)": "{HASH}"'
        return re.sub(rf'{hashes}|"(attempts|starts|number)": \d+|"time": ".*?"', "", text)
    if path.name in ("README.md", "index.html"):
        return re.sub(rf"{HASH}|<dt>(attempts|number)</dt><dd>\d+|planned at .*? since then: \d+", "", text)
    return sha256_file(path)


def _without_times(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in TIMES}


def contents(ground: Ground) -> dict[str, Any]:
    """The content of all files that a stage left, by name; but for checkpoints, which may be of other iterations."""
    paths = {path.relative_to(ground.root).as_posix(): path for path in ground.root.rglob("*") if path.is_file()}
    return {
        name: content(path)
        for name, path in paths.items()
        if not name.endswith(PASSING) and not name.startswith(("logs/", "checkpoints/", "results/demo/starts/"))
    }


def differences(calm: Mapping[str, Any], ground: Ground) -> list[str]:
    """Files that are missing, too many, or other than on a calm machine, and temporary files that were left."""
    found = contents(ground)
    wrong = {name for name in calm.keys() | found.keys() if name not in calm or name not in found}
    wrong |= {name for name in calm.keys() & found.keys() if calm[name] != found[name]}
    return sorted(path.name for path in ground.root.rglob(".*.tmp")) + sorted(wrong)
