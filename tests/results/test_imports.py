from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pointrend.results

MODULES = sorted(path.stem for path in Path(pointrend.results.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("heavy", ["torch", "cv2", "mlflow"])
def test_results_are_made_without(heavy: str) -> None:
    """Whoever only reads results needs no deep learning library, and waits for none."""
    imports = "; ".join(f"import pointrend.results.{name}" for name in MODULES if name != "__init__")
    code = f"import sys; {imports}; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
