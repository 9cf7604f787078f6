"""What a disturbed checkout must hold in the end: what a calm one does, but for times."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pointrend.files import SEAL, sha256_file
from tests.trust.ground import Ground

# keys in the records of a training whose values are times, or say which machine it was and how it was started
TIMES = {
    *("time", "seconds", "images_per_second", "data_wait_share", "memory_mb", "machine", "attempts"),
    *("curves", "train_sha256", SEAL),
}
HASH = "[0-9a-f]{64}"
PASSING = (".lock", ".log", ".digests.json")


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
