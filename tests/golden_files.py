"""The golden numbers that only tests read; pointrend/check/golden.py has the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "golden"


def published_state(run: str) -> dict[str, dict[str, Any]]:
    """Names, shapes, types and kinds of SSSegmentation's state dict for ``run``, for example ``r50_voc``."""
    return json.loads((FOLDER / f"pointrend_{run}_state_dict.json").read_text())
