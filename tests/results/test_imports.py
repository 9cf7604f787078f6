from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import pointrend.results

MODULES = sorted(module.name for module in pkgutil.walk_packages(pointrend.results.__path__, "pointrend.results."))


@pytest.mark.parametrize("heavy", ["torch", "cv2", "mlflow"])
def test_results_are_made_without(heavy: str) -> None:
    """Whoever only reads results needs no deep learning library, and waits for none."""
    imports = "; ".join(f"import {name}" for name in MODULES)
    code = f"import sys; {imports}; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
