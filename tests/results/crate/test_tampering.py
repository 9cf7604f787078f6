"""Twenty changes after which everything is hashed anew: the signature shows each of them, the arithmetic most."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from typing import Any

import pyarrow.compute
import pyarrow.parquet
import pytest

from pointrend.errors import CheckFailed
from pointrend.files import SEAL, canonical_json, sha256_json
from pointrend.results.compare import sealed
from pointrend.results.crate.build import read_crate
from pointrend.results.crate.signing import signers
from pointrend.results.crate.verify_crate import MANIFEST, manifest_text, sha256
from tests.results.crate.conftest import read, write

RUN, RESULTS = "runs/demo/voc_r50-s0", "results/demo/results.json"
Files = dict[str, bytes]


def edit(name: str, change: Callable[[Any], Any]) -> Callable[[Files], None]:
    """Change what a JSON file has."""

    def tamper(files: Files) -> None:
        value = json.loads(files[name])
        change(value)
        files[name] = canonical_json(value).encode()

    return tamper


def row(**values: Any) -> Callable[[Files], None]:
    """Change the first row of the results."""
    return edit(RESULTS, lambda results: results["runs"][0].update(values))
